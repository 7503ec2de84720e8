/** The list of test pages: what each of them ended with when it was opened in this browser. */
export {};
