/** Values as messages show them. */
const MAX_LENGTH = 200;

interface Described {
  toAsymmetricMatcher?: () => string;
  /** Of Sinon's matchers, which Cypress has. */
  message?: string;
  name?: string;
}

const describe = (value: unknown): unknown => {
  if (value instanceof RegExp) return String(value);
  if (typeof value == "function") return value.name || "a function";
  const described = value as Described | null | undefined;
  if (typeof described?.toAsymmetricMatcher == "function") return described.toAsymmetricMatcher();
  const isMatcher = typeof (value as { test?: unknown } | null)?.test == "function";
  return isMatcher ? described?.message : value;
};

/** JSON on one line, with matchers by their names, cut after 200 characters. */
export const show = (value: unknown): string => {
  const text =
    describe(value) === value
      ? JSON.stringify(value, (_, inner: unknown) => describe(inner))
      : String(describe(value));
  if (text === undefined) return "undefined";
  return text.length > MAX_LENGTH ? text.slice(0, MAX_LENGTH) + "…" : text;
};

/** How often, in words. */
export const times = (count: number): string =>
  count <= 2 ? ["never", "once", "twice"][count]! : `${count} times`;

/** How many letters must change to make one text the other (Levenshtein). */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [line, letter] of [...one].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= other.length; column++) {
      const changed = row[column - 1]! + Number(letter != other[column - 1]);
      next.push(Math.min(changed, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
};

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The name that was probably meant by `wanted`, if one of these is near enough. */
export const didYouMean = (wanted: string, names: Iterable<string>): string | undefined => {
  const far = Math.max(2, Math.floor(wanted.length / 3));
  const [best] = [...new Set(names)]
    .filter((name) => name != wanted)
    .map((name) => [distance(plain(wanted), plain(name)), name] as const)
    .filter(([steps]) => steps <= far)
    .sort(([one], [other]) => one - other);
  return best?.[1];
};
