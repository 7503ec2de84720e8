import type { Widget } from "./types";

/** Elements that the collector wants on the page. Called only where the page's owner has allowed it. */
export const inject = (
  { tag, props = {}, content = "" }: Widget,
  nonce: string | undefined,
): void => {
  const element = document.createElement(tag);
  for (const name of Object.keys(props)) element.setAttribute(name, props[name] as string);
  if (nonce) element.nonce = nonce;
  element.textContent = content;
  document.body.append(element);
};
