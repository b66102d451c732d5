/** Tables that describe this very file; no session captures them, no follower receives them. */
export const LOCAL_TABLES = ['change_log', 'applied_migration', 'writer'] as const;
