// The registration form: the text of a file chosen or dropped, more people who sign, what is still to be chosen. It works without.
(() => {
  "use strict";
  const form = document.getElementById("register");
  const text = document.getElementById("text");
  const file = document.getElementById("file");
  const field = file.closest(".field");

  function said(level, words) {
    let line = field.querySelector(".notice");
    if (!line) { line = document.createElement("p"); field.append(line); }
    line.className = `notice ${level}`;
    line.setAttribute("role", "status");
    line.textContent = words;
  }
  async function read(chosen) {
    if (!chosen) return;
    if (chosen.size > 2 * 1024 * 1024) { said("error", "文件超过 2 MB。请只留文字，图片和附件另行保存。"); return; }
    said("", "正在读入…");
    const body = new FormData();
    body.append("file", chosen);
    try {
      const answer = await fetch("/register/read", { method: "POST", body, headers: { "X-CSRF-Token": document.body.dataset.csrf, "X-Fragment": "1" } });
      if (!answer.ok) { said("error", answer.status === 401 ? "登录已过期。请先保存或重新登录，再读文件。" : await answer.text()); return; }
      const found = (await answer.json()).text;
      text.value = text.value.trim() ? `${text.value.trimEnd()}\n\n${found}` : found;
      text.dispatchEvent(new Event("input", { bubbles: true }));
      text.focus();
      text.setSelectionRange(0, 0);
      text.scrollTop = 0;
      said("ok", `已读入 ${found.length.toLocaleString("zh-CN")} 个字，请核对。`);
    } catch {
      said("error", "连不上服务，文件没有读入。请稍后再试。");
    } finally {
      file.value = "";
    }
  }
  // What only those without script need.
  for (const id of ["read", "look"]) document.getElementById(id).hidden = true;
  file.addEventListener("change", () => read(file.files[0]));
  const drop = document.querySelector("[data-drop]");
  const brings = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { if (brings(event)) { event.preventDefault(); drop.classList.add("dropping"); } });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("dropping"));
  drop.addEventListener("drop", (event) => { if (brings(event)) { event.preventDefault(); read(event.dataTransfer.files[0]); } });
  // A file that misses the field must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => { if (brings(event)) event.preventDefault(); });

  const signers = document.getElementById("signers");
  const more = document.getElementById("more-signers");
  more.hidden = false;
  more.addEventListener("click", () => {
    const row = signers.lastElementChild.cloneNode(true);
    const number = signers.children.length + 1;
    for (const input of row.querySelectorAll("input")) { input.value = ""; input.id = input.id.replace(/^joint-\d+/, `joint-${number}`); }
    for (const label of row.querySelectorAll("label")) label.htmlFor = label.htmlFor.replace(/^joint-\d+/, `joint-${number}`);
    signers.append(row);
    row.querySelector("input").focus();
  });

  // What still has to be chosen is asked for here, before the service has to.
  form.addEventListener("submit", (event) => {
    if (!event.submitter || event.submitter.value !== "accept" || !form.elements.first_kind) return;
    for (const [name, words] of [["category", "请选一个分类，或按“只登记，不认定”。"], ["unit", "请选主办单位，或按“只登记，不认定”。"]]) {
      if (form.querySelector(`[name=${name}]:checked`) || form.elements[`other_${name}_typed`].value.trim()) continue;
      event.preventDefault();
      event.stopPropagation();
      const first = form.querySelector(`[name=${name}]`) || form.elements[`other_${name}_typed`];
      const group = first.closest("fieldset");
      let line = group.querySelector(".notice.error");
      if (!line) { line = document.createElement("p"); line.className = "notice error"; line.setAttribute("role", "alert"); group.querySelector("legend").after(line); }
      line.textContent = words;
      first.focus();
      return;
    }
  });

  // A ticked choice and a typed one exclude each other: the latest counts.
  form.addEventListener("change", (event) => {
    const { name, type } = event.target;
    if (type !== "radio" || !["category", "unit"].includes(name)) return;
    form.elements[`other_${name}`].value = "";
    form.elements[`other_${name}_typed`].value = "";
    form.elements[`other_${name}_typed`].setCustomValidity("");
  });
})();
