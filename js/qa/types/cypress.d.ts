/**
 * The part of Cypress' API that the kit and its tests use, in the words of its own types (15.3):
 * Cypress itself is 170 packages and a browser, and not needed to build the kit.
 */
declare namespace Cypress {
  interface Loggable {
    log: boolean;
  }
  interface RequestOptions extends Loggable {
    url: string;
    headers: object;
    failOnStatusCode: boolean;
    timeout: number;
  }
  interface Response<T> {
    status: number;
    body: T;
  }
  interface Cookie {
    name: string;
    value: string;
  }
  interface Chainable<Subject = any> {
    request<T = any>(options: Partial<RequestOptions>): Chainable<Response<T>>;
    getCookie(name: string, options?: Partial<Loggable>): Chainable<Cookie | null>;
    window(options?: Partial<Loggable>): Chainable<any>;
    wrap<S>(object: S, options?: Partial<Loggable>): Chainable<S>;
    visit(path: string): Chainable<any>;
    get(selector: string): Chainable<any>;
    click(): Chainable<any>;
    its(key: string): Chainable<any>;
    then<S>(work: (subject: Subject) => Chainable<S> | PromiseLike<S> | S): Chainable<S>;
  }
}

declare const cy: Cypress.Chainable<undefined>;
declare const Cypress: {
  Commands: { add(name: string, work: (...given: any[]) => unknown): void };
  currentTest: { title: string };
  config(key: "defaultCommandTimeout"): number;
  env(key: string): any;
  on(event: "window:before:load", work: (page: any) => void): void;
};
declare function beforeEach(work: () => void): void;
declare function it(title: string, work: () => void): void;
