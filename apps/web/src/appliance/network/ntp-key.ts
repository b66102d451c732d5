/** Under which the state of NTP is kept. */
export const NTP_KEY = ['ntp'] as const;
