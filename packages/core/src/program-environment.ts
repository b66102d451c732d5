/**
 * What programs of the appliance inherit of their starter's environment. Root's may hold what the service user must not see (registry tokens, cloud keys,
 * agent sockets), so that only what is named here is passed on. `NODE_OPTIONS` lets an operator profile or debug.
 */
const KEPT = /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|NODE_OPTIONS|BASCULE_(?!TOKEN$)[A-Z_]+)$/;

export function programEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => KEPT.test(name)));
}
