/** How many keys one command may name: keeps what it does within the step that the loop allows. */
export const KEYS_READ_MAX = 2_000;
export const KEYS_WRITTEN_MAX = 500;
