/** The installed console `bascule`, seen from the site: its logins, which build it should be, and who vouches for the site's certificate. */
export { ConsoleLogins, CONSOLE_LOGIN_LIFE_MS } from './console-logins.ts';
export { knownConsoles, type KnownConsole } from './known-consoles.ts';
export { consoleLoginRoutes, consoleRoutes, type ConsolePrograms, type ConsoleRoutesOptions } from './console-routes.ts';
