// A part that is opened by key takes the focus to its first input: u and Enter take a decision back.
let asked = null;
document.addEventListener("click", (event) => { asked = event.target.closest("summary"); }, true);
document.addEventListener("toggle", (event) => {
  const part = event.target;
  // A part that comes open with the page takes no focus: keys must go on working.
  if (!part.open || !part.matches("details.change") || !asked || asked.parentElement !== part) return;
  const first = part.querySelector("input:not([type=hidden])");
  if (first) first.focus();
}, true);
