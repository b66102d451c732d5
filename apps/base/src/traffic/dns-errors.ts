/** What DNS servers answer, in words that say what to do. */

/** RFC 1035, 4.1.1; RFC 2136, 2.2 */
const RCODES: Record<number, string> = {
  1: 'the server did not understand the message (FORMERR)',
  2: 'the server failed; its log says why (SERVFAIL)',
  3: 'the name does not exist (NXDOMAIN)',
  4: 'the server takes no updates (NOTIMP): is it the primary server of the zone?',
  5: 'the server does not let this key change the name (REFUSED): look at update-policy or allow-update of the zone',
  6: 'a name exists that should not (YXDOMAIN)',
  7: 'the record has come into being meanwhile (YXRRSET)',
  8: 'the record has been changed by somebody else meanwhile (NXRRSET)',
  9: 'the server is not in charge of the zone, or does not accept the key (NOTAUTH)',
  10: 'the name is not in the zone (NOTZONE)',
};
/** RFC 8945, 5.2 */
const TSIG_ERRORS: Record<number, string> = {
  16: 'the secret of the key is another on the server (BADSIG)',
  17: 'the server does not know a key of this name and algorithm (BADKEY)',
  18: 'the clocks of this appliance and the server differ too much (BADTIME)',
  22: 'the server wants a longer signature (BADTRUNC)',
};
/** RFC 8914, 4: those that concern an authoritative server or what stands before it. */
const EXTENDED: Record<number, string> = {
  0: 'it says no more',
  2: 'it does not know the algorithm of its DNSSEC key',
  6: 'its DNSSEC signatures do not verify',
  9: 'its DNSSEC key is missing',
  14: 'it is not ready yet',
  15: 'its operator blocks the name',
  16: 'somebody outside has the name blocked',
  17: 'the name is filtered at the wish of whoever asks',
  18: 'this appliance may not ask there',
  20: 'it is not in charge of the name',
  21: 'it does not do what it was asked',
  22: 'it reaches no server that is in charge of the name',
  23: 'it cannot reach the network behind it',
  24: 'its data are not valid',
};

/** Why an update was not done, as the end of a sentence. `server` names who said so. */
export function dnsErrorText(error: {
  rcode: number;
  tsigError?: number;
  clockOffsetSeconds?: number;
  extended?: { code: number; text: string } | undefined;
}): string {
  const { rcode, tsigError, clockOffsetSeconds, extended } = error;
  const first =
    tsigError === undefined
      ? (RCODES[rcode] ?? `the server answered with code ${rcode}`)
      : (TSIG_ERRORS[tsigError] ?? `the server did not accept the signature (error ${tsigError})`);
  const clock = clockOffsetSeconds === undefined ? '' : `, by ${clockOffsetSeconds} s`;
  if (extended === undefined) return first + clock;
  const more = EXTENDED[extended.code] ?? `extended error ${extended.code}`;
  return `${first}${clock}; ${more}${extended.text === '' ? '' : `: ${extended.text}`}`;
}
