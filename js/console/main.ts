/** The console's script. All of its pages work without it, but for what is live. */

import "./locale";
import htmx from "./htmx";
import "htmx.org/dist/ext/hx-sse.js";
import { startCharts } from "./charts";
import { startCountries } from "./countries";
import { startKeys } from "./keys";
import { startDrawer, startLive } from "./live";
import { startTheme } from "./theme";

const COPIED_SECONDS = 2;

/** Buttons that copy the text of the element that they name. */
const copy = async (button: HTMLElement): Promise<void> => {
  const source = document.getElementById(button.dataset["copy"]!);
  const label = button.textContent!;
  try {
    await navigator.clipboard.writeText(source!.textContent!);
    button.textContent = "Copied";
  } catch {
    getSelection()!.selectAllChildren(source!); // it may not: then a key does it
    button.textContent = "Press Ctrl+C";
  }
  document.getElementById("announce")!.textContent = button.textContent;
  setTimeout(() => (button.textContent = label), COPIED_SECONDS * 1000);
};

const showCopyButtons = (): void => {
  for (const button of document.querySelectorAll<HTMLElement>("[data-copy]")) button.hidden = false;
};

document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-copy]");
  if (button) void copy(button);
  const closer = (event.target as Element).closest<HTMLElement>("[data-close]");
  closer?.closest("dialog")?.close();
});

// Filters apply when they are changed; their button is for those without a script.
document.addEventListener("change", (event) => {
  const field = event.target as HTMLInputElement;
  // A date is said to change with each digit of it.
  if (field.type === "date" || field.form?.dataset["sendOnChange"] === undefined) return;
  sessionStorage["focus"] = field.name;
  field.form.requestSubmit();
});
// The page that it leads to goes on where the reader was.
const focused = sessionStorage["focus"] as string | undefined;
delete sessionStorage["focus"];
if (focused)
  document.querySelector<HTMLElement>(`[data-send-on-change] [name="${focused}"]`)?.focus();
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (form.method !== "get") return;
  // Empty fields have no place in an address that people pass on.
  for (const field of form.elements) {
    const input = field as HTMLInputElement;
    if (input.name && !input.value) input.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll<HTMLInputElement>("form[method=get] :disabled"))
    field.disabled = false;
});

interface Context {
  sourceElement: Element;
  request: { action: string; abort(): void };
}
const contextOf = (event: Event): Context => (event as CustomEvent<{ ctx: Context }>).detail.ctx;

// What a page asks for by itself waits while nobody sees it. (A condition in `hx-trigger` would be
// code in an attribute, which the policy forbids.)
const running = new Set<Context>();
const waiting = new Map<Element, string>(); // what is asked for, and by whom
document.addEventListener("htmx:before:request", (event) => {
  const context = contextOf(event);
  if (document.hidden) {
    event.preventDefault();
    waiting.set(context.sourceElement, context.request.action);
  } else running.add(context);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const [source, address] of waiting)
    if (source.isConnected) void htmx.ajax("GET", address, { source });
  waiting.clear();
});
document.addEventListener("htmx:finally:request", (event) => running.delete(contextOf(event)));
// Ended before the page is left: Firefox would report it as a failure.
addEventListener("beforeunload", () => {
  for (const context of running) context.request.abort();
});

startTheme();
startCharts();
startLive();
startDrawer();
startKeys();
startCountries();
showCopyButtons();
document.addEventListener("htmx:after:swap", showCopyButtons);
document.querySelector<HTMLFormElement>("form[data-send-at-once]")?.requestSubmit();
