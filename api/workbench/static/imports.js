// Dropping a file onto the upload form, and saying at once when it is too large.
(() => {
  "use strict";
  const form = document.querySelector("form.drop");
  const input = form.querySelector("input[type=file]");
  const check = () => {
    const tooLarge = input.files[0] && input.files[0].size > Number(form.dataset.most);
    input.setCustomValidity(tooLarge ? `文件超过 ${form.dataset.mostText}。请分成几个文件上传。` : "");
    if (tooLarge) input.reportValidity();
  };
  input.addEventListener("change", check);
  // Beside the form as well: a browser would leave the page and open the file.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  let inside = 0;
  const mark = (more) => form.classList.toggle("over", (inside = Math.max(0, inside + more)) > 0);
  form.addEventListener("dragenter", () => mark(1));
  form.addEventListener("dragleave", () => mark(-1));
  form.addEventListener("drop", (event) => {
    mark(-inside);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    check();
    form.querySelector("button.primary").focus();
  });
})();
