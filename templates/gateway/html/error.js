"use strict";
// Checks whether the container is back, then opens the requested page. A posted form is not sent again.
const reason = document.documentElement.dataset.reason;

function openAgain() {
  // With a fragment, replace() would only scroll.
  if (location.hash) location.reload();
  else location.replace(location.href);
}

async function look() {
  try {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store", redirect: "manual" });
    const now = answer.headers.get("X-Flatnet-Error");
    if (now !== reason) return openAgain();
  } catch {
    // The gateway does not answer either.
  }
  setTimeout(look, 2000);
}

if (document.querySelector(".again")) setTimeout(look, 2000);
