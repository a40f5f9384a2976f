"use strict";
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const raw = (cell) => cell.dataset.v ?? cell.textContent;
const tip = document.getElementById("tip");
const hide = () => { tip.hidden = true; };
const say = (event) => {
  const at = event.target.closest("[data-help],figure [aria-label]");
  const text = at && (at.dataset.help ?? at.getAttribute("aria-label"));
  if (!text || at.getAttribute("aria-roledescription")?.includes("container") || at.getAttribute("role") === "graphics-symbol" && !at.matches("path")) return hide();
  tip.textContent = text;
  tip.hidden = false;
  const box = at.getBoundingClientRect();
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(left, 8) + scrollX}px`;
  tip.style.top = `${box.bottom + scrollY + 6}px`;
};
for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, say);
document.addEventListener("focusout", hide);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
const theme = document.getElementById("theme");
const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
theme.hidden = false;
name();
theme.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; name(); });
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
for (const section of all("#tables section")) {
  const table = section.querySelector("table");
  if (!table) continue;
  const body = table.tBodies[0];
  const heads = all("thead th", table);
  const status = section.querySelector("[role=status]");
  const rows = () => all("tbody tr", table).filter((row) => !row.className);
  section.querySelector(".tools").hidden = false;
  const sorts = !table.matches(".single,.facts");
  heads.forEach((head, index) => {
    if (!sorts) return;
    const button = head.querySelector("button") ?? head.appendChild(Object.assign(document.createElement("button"), { type: "button", className: "def", textContent: head.firstChild.data }));
    if (button.previousSibling) button.previousSibling.remove();
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (!head.classList.contains("n") && !head.hasAttribute("aria-sort"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => raw(row.cells[index]);
      const sorted = rows().sort((one, two) => {
        const [a, b] = [key(one), key(two)];
        if (a === "" || b === "") return (a === "") - (b === "");
        const difference = head.classList.contains("n") ? a - b : a.localeCompare(b, undefined, { numeric: true });
        return up ? difference : -difference;
      });
      body.prepend(...sorted);
      status.textContent = `sorted by ${button.firstChild.data}, ${up ? "ascending" : "descending"}`;
    });
  });
  section.querySelector("input")?.addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    let shown = 0;
    for (const row of rows()) shown += !(row.hidden = !row.textContent.toLowerCase().includes(wanted));
    status.textContent = `${shown} rows`;
  });
  section.querySelector(".all")?.addEventListener("click", (event) => {
    event.target.setAttribute("aria-pressed", table.classList.toggle("full"));
  });
  section.querySelector(".csv").addEventListener("click", () => {
    const lines = [heads.map((head) => head.dataset.n), ...rows().filter((row) => !row.hidden).map((row) => [...row.cells].map(raw))];
    const text = lines.map((line) => line.map(quoted).join(",") + "\n").join("");
    const link = Object.assign(document.createElement("a"), { download: `${table.dataset.name}.csv`, href: URL.createObjectURL(new Blob([text], { type: "text/csv" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
