"use strict";
// Refreshes this page while it is visible, and shows times in the user's format.
function localTimes(page) {
  const minute = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const thisYear = new Intl.DateTimeFormat(document.documentElement.lang, minute);
  const anyYear = new Intl.DateTimeFormat(document.documentElement.lang, { ...minute, year: "numeric" });
  for (const time of page.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    const isRecent = date.getFullYear() === new Date().getFullYear();
    if (!isNaN(date)) time.textContent = (isRecent ? thisYear : anyYear).format(date);
  }
}

// Replaces only changed elements, so that nothing moves while the user is about to click. Elements that change separately have
// an ID.
function update(shown, fresh) {
  if (shown.isEqualNode(fresh)) return;
  if (shown.tagName !== "MAIN" && shown.id !== "services") return shown.replaceWith(fresh);
  const gone = new Map([...shown.children].map((child) => [child.id, child]));
  let next = shown.firstElementChild;
  for (const child of [...fresh.children]) {
    const known = gone.get(child.id);
    if (known && known === next) next = known.nextElementSibling;
    else shown.insertBefore(known ?? child, next);
    if (known) update(known, child);
    gone.delete(child.id);
  }
  for (const child of gone.values()) child.remove();
}

// Keeps the keyboard focus on the same link.
function updateWithFocus(shown, fresh) {
  const focused = document.activeElement.href;
  update(shown, fresh);
  if (!focused || document.activeElement.href === focused) return;
  [...document.links].find((link) => link.href === focused)?.focus({ preventScroll: true });
}

let last = "";

async function look() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
  const text = await answer.text();
  if (!answer.ok || text === last) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  localTimes(page);
  updateWithFocus(document.querySelector("main"), page.querySelector("main"));
  last = text;
}

async function refresh() {
  const began = performance.now();
  if (!document.hidden) {
    // Without an answer the old content stays, with a note that it may be out of date.
    const away = await look().then(() => false, () => true);
    document.getElementById("away").hidden = !away;
  }
  // A page that takes long to render (thousands of services) is refreshed less often.
  setTimeout(refresh, Math.max(2000, 10 * (performance.now() - began)));
}

localTimes(document);
setTimeout(refresh, 2000);
