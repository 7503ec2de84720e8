// Shows on a test page what the collector has stored of it, green or red against what the page declares.
(() => {
  const expected = JSON.parse(document.getElementById("expected").textContent);
  const verdict = document.getElementById("verdict");
  const table = document.getElementById("rows");
  const body = table.querySelector("tbody");
  // The two clocks of a browser differ by a little; a reload takes longer.
  const opened = new Date(performance.timeOrigin - 20).toISOString();
  const deadline = Date.now() + 20000;

  const say = (text, kind) => {
    verdict.textContent = text;
    verdict.className = kind || "";
  };

  const show = (events) => {
    table.hidden = !events.length;
    body.replaceChildren(...events.map((event) => {
      const row = document.createElement("tr");
      for (const text of [event.type, JSON.stringify(event.properties), event.received_at]) {
        row.insertCell().textContent = text;
      }
      return row;
    }));
  };

  // The order of keys in JSON does not matter.
  const plain = (value) =>
    JSON.stringify(value, (_, part) =>
      part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part);

  const same = (events) =>
    events.length === expected.events.length &&
    events.every((event, place) =>
      event.type === expected.events[place].type && plain(event.properties) === plain(expected.events[place].properties));

  const look = async () => {
    const session = window.tracker && window.tracker.sessionId;
    let answer = null;
    try {
      answer = session && (await fetch("/qa/events?session_id=" + encodeURIComponent(session)));
    } catch {
      say("The collector cannot be reached. Events wait in this browser until it can.", "bad");
    }
    if (answer && !answer.ok) {
      return say("This server does not show what is stored. Open the page from `thamesthrive demo`, or look with `thamesthrive events list`.");
    }
    if (answer) {
      const events = (await answer.json()).events.filter(
        (event) => event.occurred_at >= opened && event.context.page && event.context.page.url === location.href);
      show(events);
      if (events.length && same(events)) return say(`As expected: ${events.length} event${events.length > 1 ? "s" : ""} stored.`, "good");
      if (events.length > expected.events.length) return say("More was stored than expected.", "bad");
      if (!expected.events.length && Date.now() > deadline - 17000) return say("As expected: nothing was stored.", "good");
    }
    if (Date.now() > deadline) return say("Not what was expected. The browser's console says why an event was not stored.", "bad");
    setTimeout(look, 300);
  };
  look();
})();
