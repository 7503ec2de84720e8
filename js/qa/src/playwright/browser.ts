/** What happens in the pages of a browser context, kept for the message of a failure. */
import type { BrowserContext, Page, Request } from "@playwright/test";
import { type Fact, lookAtPage, watchPage } from "../core/page";
import { Seen } from "../core/seen";
import type { BrowserFacts, PageState, SentRequest } from "../core/types";

const BINDING = "__tt_seen";
const MAX_MESSAGES = 20;
/** How long a page may take to answer; one that shows a dialog doesn't. Milliseconds. */
const PAGE_PATIENCE = 1000;

/** The types of a request's events; undefined if it isn't one of a tracker. */
const typesIn = (request: Request): string[] | undefined => {
  try {
    const body = JSON.parse(request.postData() ?? "null") as {
      source?: unknown;
      events?: { type: string }[];
    } | null;
    return body?.source ? body.events?.map(({ type }) => type) : undefined;
  } catch {
    return undefined; // not JSON
  }
};

/** What a page answers in time, or nothing: it may be gone, or busy with a dialog. */
const ask = async <T>(page: Page, question: () => T | Promise<T>): Promise<T | undefined> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, PAGE_PATIENCE);
  });
  // A page that is left or closed while it is asked has nothing to say.
  const answer = page.evaluate(question).catch(() => undefined);
  const first = await Promise.race([answer, timeout]);
  clearTimeout(timer);
  return first;
};

/** Pages that have a tracker, or could have one. */
const openPages = (context: BrowserContext): Page[] =>
  context.pages().filter((page) => !page.isClosed() && !/^about:/.test(page.url()));

export class BrowserWatch {
  readonly #context: BrowserContext;
  readonly #seen = new Seen();
  readonly #sent = new Map<Request, SentRequest>();
  readonly #console: string[] = [];

  constructor(context: BrowserContext) {
    this.#context = context;
  }

  /** Gives pages that are opened from now on the run, and keeps what happens in them. */
  async start(run: string): Promise<void> {
    const context = this.#context;
    await context.exposeBinding(BINDING, (_, fact: Fact) => this.#seen.keep(fact));
    const report = `(fact) => window.${BINDING}?.(fact)`;
    await context.addInitScript({
      content: `(${watchPage})(window, ${JSON.stringify(run)}, ${report})`,
    });
    context.on("request", (request) => {
      const types = request.method() == "POST" ? typesIn(request) : undefined;
      if (types) this.#sent.set(request, { url: request.url(), types });
    });
    context.on("response", (response) => {
      const request = response.request();
      const sent = this.#sent.get(request);
      if (sent) sent.status = response.status();
      else if (request.resourceType() == "script" && response.status() >= 400) {
        this.#seen.blocked.push({ url: request.url(), why: `its server: ${response.status()}` });
      }
    });
    context.on("requestfailed", (request) => this.#fail(request));
    context.on("console", (message) => {
      // Browsers ask for an icon by themselves.
      const isIcon = message.location().url.endsWith("/favicon.ico");
      if (message.type() == "error" && !isIcon) this.#console.push(message.text());
    });
    context.on("weberror", (error) => this.#console.push(String(error.error())));
  }

  /** Has every open page send what waits, and waits until it has an answer. */
  async flush(): Promise<void> {
    type Flushable = { tracker?: { flush?: () => Promise<void> } };
    const flush = (): Promise<void> | undefined => (window as Flushable).tracker?.flush?.();
    await Promise.all(openPages(this.#context).map((page) => ask(page, flush)));
  }

  /** All that was seen, and the open pages as they are now. */
  async facts(): Promise<BrowserFacts> {
    const pages = await Promise.all(
      openPages(this.#context).map((page) => ask<PageState>(page, lookAtPage)),
    );
    return {
      pages: pages.filter((page) => page !== undefined),
      calls: this.#seen.calls,
      sent: [...this.#sent.values()],
      blocked: this.#seen.blocked,
      console: this.#console.slice(-MAX_MESSAGES),
    };
  }

  /** The session that the tracker has begun in this browser. */
  async session(): Promise<string | undefined> {
    const cookies = await this.#context.cookies();
    return cookies.find(({ name }) => name == "thamesthrive-session-id")?.value;
  }

  /** Leaves the pages as a person does, so that they send what they still have. */
  async leave(): Promise<void> {
    const pages = openPages(this.#context);
    // A page that is being closed can't be left, and has sent what it had.
    await Promise.all(pages.map((page) => page.goto("about:blank").catch(() => undefined)));
  }

  #fail(request: Request): void {
    const failure = request.failure()?.errorText ?? "failed";
    const sent = this.#sent.get(request);
    if (sent) sent.failure = failure;
    else if (request.resourceType() == "script" && failure != "csp") {
      // What a policy stops, the page reports with the directive.
      this.#seen.blocked.push({ url: request.url(), why: `the browser: ${failure}` });
    }
  }
}
