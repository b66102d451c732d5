/** Limits of the front door. Each is enforced in this folder and named in its tests. */

/** wire 1.1 */
export const CLIENT_HELLO_MAX_BYTES = 16 * 1024;
/** A ClientHello may be cut into that many TLS records; those that do so make a handful. */
export const CLIENT_HELLO_MAX_RECORDS = 32;
export const CLIENT_HELLO_WAIT_MS = 10_000;
/** From accept to the end of the TLS handshake, for what base opens itself. */
export const TLS_HANDSHAKE_WAIT_MS = 10_000;

/**
 * Connections whose ClientHello is not read or whose hand-over waits. Fifteen thousand agents behind 20 addresses come back within a minute of a
 * restart, so one address (of a whole NAT) may have a thousand under way.
 */
export const PENDING_MAX = 8_192;
export const PENDING_PER_ADDRESS_MAX = 1_024;

/** Connections waiting for one site program to take them; at some 300 a second that is three seconds' worth. */
export const HAND_OVER_QUEUE_MAX = 1_024;
/** As many are held while the site is switched, which takes less than a second: every agent redials at once then. */
export const SWITCH_QUEUE_MAX = 8_192;
/** A connection that waited longer is closed: its client has given up or soon will. */
export const HAND_OVER_WAIT_MS = 10_000;

/** Connections that base opens itself (browsers, API users). */
export const BROWSER_CONNECTIONS_MAX = 4_096;
export const BROWSER_CONNECTIONS_PER_ADDRESS_MAX = 512;

export const REQUEST_HEADER_MAX_BYTES = 32 * 1024;
export const REQUEST_HEADER_WAIT_MS = 20_000;
/** A whole request with its body; answers (event streams) may take as long as they like. */
export const REQUEST_WAIT_MS = 300_000;
/** Shorter than the site's own, so that base never sends a request into a connection that the site is closing. */
export const BROWSER_KEEP_ALIVE_MS = 60_000;

/** How long a request waits for a site program that starts or restarts, before it is answered by the progress page. */
export const SITE_WAIT_MS = 5_000;
/** The same while one version of the site takes over from another. */
export const SWITCH_WAIT_MS = 10_000;
export const WAITING_REQUESTS_MAX = 1_024;

/** What may be under way in one direction of a spliced connection before its source is paused. */
export const SPLICE_HIGH_WATER_BYTES = 256 * 1024;
/** The kernel's queue of connections that base has not accepted yet, also while base is away (capped by net.core.somaxconn). */
export const LISTEN_BACKLOG = 4_096;

/** When base stops: how long requests in flight, and connections that are about to ask, may take. */
export const DRAIN_LIMIT_MS = 2_000;
/** When base stops: how long a connection that is kept alive may still ask, and is told with the answer that it was the last. */
export const DRAIN_IDLE_MS = 250;
/** When base stops: a connection that was accepted longer ago than this and has asked nothing is not about to (browsers open some in advance). */
export const DRAIN_ARRIVAL_MS = 1_000;
export const DRAIN_LOOK_INTERVAL_MS = 25;

/** Certificates whose TLS is kept ready; more are made ready again when they are asked for. */
export const DOORS_MAX = 64;

/** The port for plain HTTP: one short answer per connection. */
export const PLAIN_CONNECTIONS_MAX = 1_024;
export const PLAIN_CONNECTIONS_PER_ADDRESS_MAX = 64;
export const PLAIN_REQUEST_WAIT_MS = 10_000;
export const REDIRECT_PATH_MAX_CHARACTERS = 2_000;
