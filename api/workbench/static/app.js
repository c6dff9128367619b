// The workbench's script. Every page works without it; it adds keys, type-ahead, live parts and care for what was typed.
//   data-key="a"           the key that presses this button or follows this link (not while typing; Ctrl+Enter sends the form typed in)
//   data-rows              a table or list whose [data-row] links are walked with j and k, opened with Enter
//   data-ahead="/look-up/categories"   an <input> that offers choices by name, pinyin initials or code; the choice's code goes into the
//                          hidden input named by data-ahead-name
//   data-live="/path"      a part that is fetched anew every data-every seconds while it carries data-running; POSTed with the form's
//                          fields, a moment after typing stops, when it names a form by data-live-form
//   data-once              a form that sends once and asks the service before it leaves, so that a lost connection loses nothing
//   data-confirm           a question to answer before a form is sent
//   data-tick="take"       a button, hidden without script, that ticks all boxes of this name in its form; data-untick takes the ticks off
(() => {
  "use strict";
  const csrf = document.body.dataset.csrf || "";
  const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName)) && !/^(checkbox|radio|submit|button)$/.test(el.type);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function tell(form, level, text) {
    let line = form.querySelector(":scope > .notice.said");
    if (!line) {
      line = document.createElement("p");
      line.setAttribute("role", "alert");
      form.prepend(line);
    }
    line.className = `notice said ${level}`;
    line.textContent = text;
    line.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const at = document.activeElement;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at && at.form) {
      event.preventDefault();
      at.form.requestSubmit(at.form.querySelector("button.primary"));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(at)) { at.blur(); return; }
    if (typing(at)) return;
    const rows = all("[data-rows] [data-row]");
    if ((event.key === "j" || event.key === "k") && rows.length) {
      const now = rows.indexOf(at);
      const next = rows[Math.max(0, Math.min(rows.length - 1, now + (event.key === "j" ? 1 : -1)))];
      next.focus();
      next.scrollIntoView({ block: "nearest" });
      event.preventDefault();
      return;
    }
    if (event.key === "?") { location.href = "/help#keys"; return; }
    const target = all(`[data-key="${CSS.escape(event.key)}"]`).find((el) => !el.disabled && el.offsetParent !== null);
    if (!target) return;
    event.preventDefault();
    if (typing(target)) { target.focus(); if (target.select) target.select(); } else target.click();
  });

  // --- forms -----------------------------------------------------------------------------------------------------------------------
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.dataset.confirm && !form.dataset.sure && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (!("once" in form.dataset)) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.dataset.sure) { form.dataset.sent = "1"; return; }
    event.preventDefault();
    const button = event.submitter;
    try {
      await fetch("/healthz", { cache: "no-store" });
    } catch {
      tell(form, "error", "连不上服务，还没有提交。您填写的内容都在，请稍后再按一次。");
      dirty = "keep" in form.dataset;
      return;
    }
    form.dataset.sure = "1";
    form.requestSubmit(button);
  });
  for (const button of all("[data-tick], [data-untick]")) {
    const { tick, untick } = button.dataset;
    button.hidden = false;
    button.addEventListener("click", () => all(`input[name="${tick || untick}"]`, button.form).forEach((box) => { box.checked = Boolean(tick); }));
  }
  window.addEventListener("pageshow", () => all("form[data-once]").forEach((form) => { delete form.dataset.sent; delete form.dataset.sure; }));
  let dirty = false;
  document.addEventListener("input", (event) => { if (event.target.closest && event.target.closest("form[data-keep]")) dirty = true; });
  document.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

  // --- live parts ------------------------------------------------------------------------------------------------------------------
  async function refresh(part, body) {
    const options = { headers: { "X-CSRF-Token": csrf, "X-Fragment": "1" }, cache: "no-store", redirect: "error" };
    if (body) { options.method = "POST"; options.body = body; }
    const token = (part.asked = (part.asked || 0) + 1);
    try {
      const answer = await fetch(part.dataset.live, options);
      const html = await answer.text();
      if (token !== part.asked) return;
      if (!answer.ok) { if (answer.status === 401) said(part, "登录已过期。提交时会请您重新登录，填写的内容不会丢。"); return; }
      // Nothing is replaced under the fingers of somebody who types in it; whoever stands on a choice stays there.
      const at = document.activeElement;
      if (part.contains(at) && typing(at) && part.again) { at.addEventListener("blur", part.again, { once: true }); return; }
      const here = part.contains(at) ? at.id : "";
      part.innerHTML = html;
      if (here) document.getElementById(here)?.focus({ preventScroll: true });
      const state = part.querySelector("[data-state]");
      if (state && state.dataset.state === "done") location.reload();
    } catch {
      if (token === part.asked) said(part, "连不上服务，稍后再试。您填写的内容都在。");
    }
  }
  function said(part, text) {
    let line = part.querySelector(":scope > .notice");
    if (!line) { line = document.createElement("p"); part.prepend(line); }
    line.className = "notice warn";
    line.textContent = text;
  }
  for (const part of all("[data-live]")) {
    if (part.dataset.liveForm) {
      const form = document.getElementById(part.dataset.liveForm);
      let timer = 0;
      part.again = () => {
        clearTimeout(timer);
        timer = setTimeout(() => refresh(part, new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"))), 120);
      };
      const later = (event) => { if (!event.isComposing && event.target.matches("[data-watched]")) part.again(); };
      for (const name of ["input", "change", "compositionend"]) form.addEventListener(name, later);
    } else {
      const every = 1000 * (Number(part.dataset.every) || 2);
      setInterval(() => { if (!document.hidden && part.querySelector("[data-running]")) refresh(part); }, every);
    }
  }

  // --- type-ahead ------------------------------------------------------------------------------------------------------------------
  const lists = new Map();
  const load = (path) => {
    if (!lists.has(path)) lists.set(path, fetch(path).then((answer) => (answer.ok ? answer.json() : [])).catch(() => []));
    return lists.get(path);
  };
  function matches(choices, typed) {
    const q = typed.trim().toLowerCase();
    if (!q) return choices.slice(0, 30);
    const rank = (c) => (c.code.startsWith(q) ? 0 : c.name.toLowerCase().startsWith(q) ? 1 : c.initials.startsWith(q) ? 2 : c.name.toLowerCase().includes(q) ? 3 : c.initials.includes(q) ? 4 : (c.path || "").toLowerCase().includes(q) || (c.more || "").toLowerCase().includes(q) ? 5 : 9);
    return choices.map((c) => [rank(c), c]).filter(([r]) => r < 9).sort((a, b) => a[0] - b[0]).slice(0, 30).map(([, c]) => c);
  }
  function ahead(input) {
    const hidden = input.form.elements[input.dataset.aheadName];
    const box = document.createElement("div");
    box.className = "ahead";
    input.replaceWith(box);
    box.append(input);
    const list = document.createElement("ul");
    list.id = `${input.id}-choices`;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "可选项");
    list.hidden = true;
    box.append(list);
    for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"], ["autocomplete", "off"]]) input.setAttribute(name, value);
    input.removeAttribute("list");
    let found = [], at = -1;
    const show = (open) => { list.hidden = !open; input.setAttribute("aria-expanded", String(open)); };
    const mark = (n) => {
      at = n;
      [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
      if (list.children[at]) { input.setAttribute("aria-activedescendant", list.children[at].id); list.children[at].scrollIntoView({ block: "nearest" }); }
      else input.removeAttribute("aria-activedescendant");
    };
    const choose = (choice) => {
      input.value = choice.name;
      hidden.value = choice.code;
      show(false);
      hidden.dispatchEvent(new Event("change", { bubbles: true }));
      input.setCustomValidity("");
    };
    const offer = async () => {
      found = matches(await load(input.dataset.ahead), input.value);
      list.replaceChildren(...found.map((choice, i) => {
        const li = document.createElement("li");
        li.id = `${list.id}-${i}`;
        li.setAttribute("role", "option");
        li.append(choice.name);
        const more = document.createElement("small");
        more.textContent = [choice.path, choice.code].filter(Boolean).join("　");
        li.append(more);
        li.addEventListener("mousedown", (event) => { event.preventDefault(); choose(choice); });
        return li;
      }));
      show(found.length > 0);
      if (found.length) list.scrollIntoView({ block: "nearest" });
      mark(found.length && input.value.trim() ? 0 : -1);
    };
    input.addEventListener("input", (event) => { hidden.value = ""; if (!event.isComposing) offer(); });
    input.addEventListener("compositionend", offer);
    input.addEventListener("focus", () => { input.select(); });
    input.addEventListener("click", offer);
    input.addEventListener("blur", () => {
      show(false);
      // What was typed but not chosen: the only match, or nothing.
      if (input.value.trim() && !hidden.value && found.length === 1) choose(found[0]);
      input.setCustomValidity(input.value.trim() && !hidden.value ? "请从列出的选项里选一个。" : "");
      if (!input.value.trim()) hidden.value = "";
    });
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) offer(); else mark((at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length);
      } else if (event.key === "Enter" && !list.hidden && at >= 0 && !event.ctrlKey) { event.preventDefault(); choose(found[at]); }
      else if (event.key === "Escape" && !list.hidden) { event.preventDefault(); event.stopPropagation(); show(false); }
    });
  }
  all("input[data-ahead]").forEach(ahead);
  // Part of a page may bring its own inputs: they are found when they come.
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node.querySelectorAll) all("input[data-ahead]:not([role=combobox])", node).forEach(ahead);
  }).observe(document.body, { childList: true, subtree: true });
})();
