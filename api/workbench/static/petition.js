// A part that is opened by key takes the focus to its first input: u and Enter take a decision back.
let asked = null;
function enter(part) {
  const first = part.querySelector("input:not([type=hidden])");
  if (first) first.focus();
}
document.addEventListener("click", (event) => {
  asked = event.target.closest("summary");
  // Its key goes into a part that is open already (Escape left it, or it came open with the page); a click closes it.
  if (event.isTrusted || !asked || !asked.parentElement.matches("details.change[open]")) return;
  event.preventDefault();
  enter(asked.parentElement);
}, true);
document.addEventListener("toggle", (event) => {
  const part = event.target;
  // A part that comes open with the page takes no focus: keys must go on working.
  if (part.open && part.matches("details.change") && asked && asked.parentElement === part) enter(part);
}, true);
