/** Version and kind (a byte each), four numbers, two hashes, the length of what follows. */
export const ENTRY_HEAD_BYTES = 2 + 4 * 8 + 2 * 32 + 4;
/** An entry travels whole; a larger one is refused when it is made, so that whatever is committed can be followed. The pair link's limit is the same. */
export const ENTRY_MAX_BYTES = 64 * 1024 * 1024;
