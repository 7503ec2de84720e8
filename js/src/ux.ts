import type { Widget } from "./types";

/** Adds an element of the collector to the page. Only called where `settings.allowUx` is set. */
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
