/** What tests/qa_kit/ hands over. */
declare const process: { env: Record<string, string | undefined> };

const given = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is missing. Run: pytest tests/qa_kit`);
  return value;
};

export const SITE = given("SITE");
export const SOURCE = given("SOURCE");
export const NOBODY = given("NOBODY");
export const COLLECTOR = given("THAMESTHRIVE_COLLECTOR");
export const LAUNCH = JSON.parse(given("LAUNCH")) as object;
