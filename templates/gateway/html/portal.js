"use strict";
// Fetches this page again while somebody looks at it, and shows times as this browser's user writes them.
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

// Replaces what has changed and nothing else, so that nothing moves under a hand that is about to click. What can change by
// itself has an ID.
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

// Who goes from link to link by the keyboard stays where they are.
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
    // Without the gateway what was known stays on the screen, and it is said that it may be old.
    const away = await look().then(() => false, () => true);
    document.getElementById("away").hidden = !away;
  }
  // A page that takes long to make (thousands of services) is asked for less often.
  setTimeout(refresh, Math.max(2000, 10 * (performance.now() - began)));
}

localTimes(document);
setTimeout(refresh, 2000);
