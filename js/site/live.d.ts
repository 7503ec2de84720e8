/** Pages of `thamesthrive dev`: they reload when something was built, and show what kept it from being built. */
export {};
