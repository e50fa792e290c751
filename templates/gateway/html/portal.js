"use strict";
// Fetches this page again while somebody looks at it, and shows times as this browser's user writes them.
function localTimes() {
  for (const time of document.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    if (!isNaN(date)) time.textContent = date.toLocaleString(document.documentElement.lang);
  }
}

let shown = "";

async function refresh() {
  const began = performance.now();
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok && text !== shown) {
        const page = new DOMParser().parseFromString(text, "text/html");
        document.querySelector("main").replaceWith(page.querySelector("main"));
        shown = text;
        localTimes();
      }
    }
  } catch {
    // The gateway is away: what was known stays on the screen.
  }
  // A page that takes long to make (thousands of services) is asked for less often.
  setTimeout(refresh, Math.max(2000, 10 * (performance.now() - began)));
}

localTimes();
setTimeout(refresh, 2000);
