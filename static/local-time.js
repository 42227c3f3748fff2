// Times are written in UTC; beside each that has an hour stands what the clock showed, or will show, where the reader is.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

function tell(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime()) || !at.getTimezoneOffset()) return;
  const sameDay = at.getDate() === at.getUTCDate();
  const local = document.createElement("span");
  local.className = "local";
  local.textContent = ` (${(sameDay ? clock : calendar).format(at)} your time)`;
  time.append(local);
}

function tellAll() {
  for (const time of document.querySelectorAll("time[data-hour]:not(:has(.local))")) tell(time);
}

tellAll();
new MutationObserver(tellAll).observe(document.querySelector("main"), { childList: true, subtree: true });
