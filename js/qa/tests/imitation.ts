/**
 * A minimal imitation of Cypress, which can't be installed everywhere: its queue of commands, and
 * the few commands that the kit and shop.cy.ts use. As there, the page under test is in a frame.
 */
type Work = (...given: any[]) => unknown;

const host = window as unknown as Record<string, unknown> & {
  /** Requests from outside of the browser, as `cy.request` makes them: no origin, no CORS. */
  ask(url: string, headers: object): Promise<{ status: number; body: unknown }>;
};
const frame = document.querySelector<HTMLIFrameElement>("iframe")!;

let commands: (() => Promise<void>)[] = [];
/** Where the next command goes: those that a command calls come right after it. */
let position = 0;

class Chain {
  result: { value?: unknown; chain?: Chain } = {};

  get subject(): unknown {
    return this.result.chain ? this.result.chain.subject : this.result.value;
  }

  then(work: Work): Chain {
    return enqueue(() => work(this.subject));
  }

  its(key: string): Chain {
    return this.then((subject) => cy["wrap"]!((subject as Record<string, unknown>)[key]));
  }

  click(): Chain {
    return this.then((subject) => (subject as HTMLElement).click());
  }
}

const enqueue = (work: Work): Chain => {
  const chain = new Chain();
  commands.splice(position++, 0, async () => {
    const result = work();
    if (result instanceof Chain) chain.result = { chain: result };
    else if (result instanceof Promise) {
      if (position) throw new Error("a promise was returned where commands were called");
      chain.result = { value: await result };
    } else chain.result = { value: result };
  });
  return chain;
};

const cy: Record<string, (...given: any[]) => Chain> = {};
const add = (name: string, work: Work): void => {
  cy[name] = (...given) => enqueue(() => work(...given));
};
const visit = (path: string): Promise<undefined> =>
  new Promise((resolve) => {
    frame.onload = () => resolve(undefined);
    frame.src = path;
  });

interface Request {
  url: string;
  headers?: object;
  failOnStatusCode?: boolean;
}

add("wrap", (value) => value);
add("visit", visit);
add("window", () => frame.contentWindow);
add("get", (selector: string) => frame.contentDocument!.querySelector(selector));
add("getCookie", (name: string) => {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${name}=`));
  return found ? { name, value: found.slice(name.length + 1) } : null;
});
add("request", async ({ url, headers, failOnStatusCode = true }: Request) => {
  const response = await host.ask(url, headers ?? {});
  if (failOnStatusCode && response.status >= 400) throw new Error(`${url}: ${response.status}`);
  return response;
});

const hooks: Work[] = [];
const tests: [title: string, work: Work][] = [];
const currentTest = { title: "" };
const env: Record<string, unknown> = {};

Object.assign(host, {
  cy,
  Cypress: {
    Commands: { add },
    currentTest,
    config: () => 4000,
    env: (key: string) => env[key],
    // The only event of which the kit wants to hear.
    on: (_: string, work: Work) => Object.assign(host, { beforeLoad: work }),
  },
  beforeEach: (work: Work) => hooks.push(work),
  it: (title: string, work: Work) => tests.push([title, work]),
  /** Runs all tests, one after the other. Gives the message of each that failed. */
  runTests: async (settings: object): Promise<Record<string, string>> => {
    const failures: Record<string, string> = {};
    Object.assign(env, settings);
    for (const [title, work] of tests) {
      currentTest.title = title;
      commands = [];
      await visit("about:blank");
      try {
        hooks.forEach((hook) => hook());
        position = 0;
        work();
        for (let next; (next = commands.shift());) {
          position = 0;
          await next();
        }
      } catch (error) {
        failures[title] = (error as Error).message;
      }
    }
    return failures;
  },
});

export {};
