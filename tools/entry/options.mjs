import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { checkout } from './checkout.mjs';
import { Stop } from './say.mjs';

/** Every option of `npm start`, with the variable that sets it too. `false` takes no value. */
const OPTIONS = {
  home: { variable: 'BASCULE_HOME', value: 'DIR' },
  port: { variable: 'BASCULE_PORT', value: 'N' },
  listen: { variable: 'BASCULE_LISTEN', value: 'ADDR' },
  name: { variable: 'BASCULE_NAME', value: 'HOST' },
  appliance: { variable: 'BASCULE_APPLIANCE', value: 'NAME' },
  'no-local-client': { variable: 'BASCULE_NO_LOCAL_CLIENT', value: undefined },
  restage: { variable: 'BASCULE_RESTAGE', value: undefined },
};

export const USAGE = `npm start -- [--home DIR] [--port N] [--listen ADDR] [--name HOST] [--appliance NAME] [--no-local-client] [--restage]
  --home DIR          where the state lives            (BASCULE_HOME; default ./var)
  --port N            TCP port                         (BASCULE_PORT; default 8443)
  --listen ADDR       address to listen on, numeric    (BASCULE_LISTEN; default 127.0.0.1: this machine only)
  --name HOST         the name people will use         (BASCULE_NAME; default localhost)
  --appliance NAME    what this appliance is called    (BASCULE_APPLIANCE; default the name, or the machine's)
  --no-local-client   do not enrol this machine        (BASCULE_NO_LOCAL_CLIENT=1)
  --restage           run this checkout, when another version of it is staged`;

/**
 * Reads options and variables.
 * @param {string[]} args @param {NodeJS.ProcessEnv} environment
 * @returns {{ home: string, homeGiven: boolean, port: number, listen: string, name: string, appliance: string | undefined, localClient: boolean, restage: boolean }}
 */
export function parseOptions(args, environment) {
  explainSwallowedFlags(environment);
  /** @type {Record<string, string>} */
  const given = {};
  for (const [option, { variable }] of Object.entries(OPTIONS)) {
    if (environment[variable]) given[option] = /** @type {string} */ (environment[variable]);
  }
  for (let index = 0; index < args.length; index++) {
    const [flag, inline] = splitOnce(args[index] ?? '');
    const name = flag.replace(/^--/, '');
    const option = OPTIONS[/** @type {keyof typeof OPTIONS} */ (name)];
    if (!flag.startsWith('--') || !option) throw new Stop(`'${args[index]}' is not an option of npm start.\n${USAGE}`, 64);
    if (!option.value) {
      if (inline !== undefined) throw new Stop(`--${name} takes no value.`, 64);
      given[name] = '1';
      continue;
    }
    const value = inline ?? args[++index];
    if (value === undefined || value === '' || value.startsWith('--'))
      throw new Stop(`--${name} needs a value: --${name} ${option.value}.`, 64);
    given[name] = value;
  }
  return check(given);
}

/** @param {Record<string, string>} given */
function check(given) {
  const port = Number(given['port'] ?? 8443);
  if (!/^\d+$/.test(given['port'] ?? '8443') || port < 1 || port > 65535)
    throw new Stop(`--port ${given['port']}: a port is a number from 1 to 65535.`, 64);
  const listen = given['listen'] ?? '127.0.0.1';
  if (isIP(listen) === 0)
    throw new Stop(`--listen ${listen}: give a numeric address, such as 127.0.0.1, or 0.0.0.0 for every network.`, 64);
  const name = (given['name'] ?? 'localhost').toLowerCase();
  if (name.length > 253 || !/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name)) {
    throw new Stop(`--name ${given['name']}: a host name has letters, digits, dots and hyphens only.`, 64);
  }
  const { appliance } = given;
  if (appliance !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9 .-]{0,61}[A-Za-z0-9])?$/.test(appliance))
    throw new Stop(`--appliance ${appliance}: at most 63 letters, digits, dots, hyphens and spaces.`, 64);
  return {
    home: resolve(checkout, given['home'] ?? join(checkout, 'var')),
    homeGiven: given['home'] !== undefined,
    port,
    listen,
    name,
    appliance,
    localClient: !isOn(given['no-local-client']),
    restage: isOn(given['restage']),
  };
}

/** `npm start --port 9000` gives --port to npm, not to us: npm passes it on as a variable. */
function explainSwallowedFlags(environment) {
  for (const option of Object.keys(OPTIONS)) {
    const taken = option === 'no-local-client' ? 'npm_config_local_client' : `npm_config_${option}`;
    if (environment[taken] === undefined) continue;
    throw new Stop(
      `npm took --${option} for itself. Put -- before the options:  npm start -- --${option}${OPTIONS[option].value ? ` ${OPTIONS[option].value}` : ''}`,
      64,
    );
  }
}

/** @param {string} arg @returns {[string, string | undefined]} */
function splitOnce(arg) {
  const at = arg.indexOf('=');
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

/** @param {string | undefined} value */
function isOn(value) {
  return value !== undefined && !['', '0', 'no', 'false'].includes(value.toLowerCase());
}
