/** What is imported of others, as far as it is used. */

declare module "htmx.org/dist/htmx.esm.js" {
  const htmx: {
    registerExtension(name: string, extension: object): void;
    ajax(method: string, address: string, context: { source: Element }): Promise<void>;
  };
  export default htmx;
}
declare module "htmx.org/dist/ext/hx-sse.js";
