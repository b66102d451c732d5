/** Box interface, below `/appliance/api/certificates`: what browsers are served with (B13, B15-B19, B196-B201). */
import { z } from 'zod';
import { losses } from '../losses.ts';
import { byteCount, id, instantMs, line, optionalLine, sha256Hex } from '../text.ts';

/** All files of one import together, and the request that carries them. */
export const IMPORT_MAX_BYTES = 1024 * 1024;
export const IMPORT_FILES_MAX = 10;
/** Of a certificate that is imported, made or asked for. */
export const CERTIFICATE_NAMES_MAX = 100;
/** Of stored ones; each is small. */
export const CERTIFICATES_MAX = 100;
export const EXPORT_PASSPHRASE_MIN_CHARACTERS = 12;
export const CHAIN_LINKS_MAX = 10;

/** The one that this appliance made for itself, and the one that the primary of a pair handed over: always in the list, never deleted. */
export const SELF_MADE = 'self-made';
export const HANDED = 'handed';
export const certificateId = z.union([z.literal(SELF_MADE), z.literal(HANDED), id('certificate')]);

/** A DNS name (`*.` stands for one label) or an IP address, lower case. */
const certificateName = z
  .string()
  .trim()
  .toLowerCase()
  .min(1)
  .max(253)
  .regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*$|^[0-9a-f:.]+$/,
    'must be a DNS name or an IP address',
  );
const names = z.array(certificateName).min(1).max(CERTIFICATE_NAMES_MAX);

/** What is wrong or soon will be; translated as `certificates:warning.<code>` with what to do. `bad`: people are turned away, `warn`: will be or may be, `note`: is meant so or harmless. */
export const WARNING_CODES = [
  'expired',
  'expires-soon',
  'not-yet-valid',
  'chain-incomplete',
  'chain-expired',
  'name-mismatch',
  'weak-key',
  'weak-signature',
  'key-missing',
  'awaits-certificate',
  'self-made',
  'unknown-authority',
  'no-server-use',
  'acme-failing',
] as const;
export const certificateWarning = z.object({
  code: z.enum(WARNING_CODES),
  severity: z.enum(['bad', 'warn', 'note']),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type CertificateWarning = z.infer<typeof certificateWarning>;

export const publicKeyFacts = z.object({
  kind: z.enum(['rsa', 'ec', 'ed25519', 'other']),
  /** Of the modulus or the curve. */
  bits: z.number().int().nonnegative(),
  curve: z.string().nullable(),
  /** Of the public key (SPKI), hex. */
  sha256: sha256Hex,
});
export const chainLink = z.object({
  issuedTo: z.string(),
  issuedBy: z.string(),
  notBeforeMs: instantMs,
  notAfterMs: instantMs,
  sha256: sha256Hex,
  isRoot: z.boolean(),
});
export type ChainLink = z.infer<typeof chainLink>;

/** What is in a certificate. */
export const certificateFacts = z.object({
  issuedTo: z.string(),
  issuedBy: z.string(),
  /** Lower case; names first, then addresses. */
  names: z.array(z.string()),
  notBeforeMs: instantMs,
  notAfterMs: instantMs,
  key: publicKeyFacts,
  /** `sha256WithRSAEncryption` or an OID. */
  signature: z.string(),
  serialNumber: z.string(),
  sha256: sha256Hex,
  /** From the one that signed it upwards, in order. */
  chain: z.array(chainLink).max(CHAIN_LINKS_MAX),
  isSelfSigned: z.boolean(),
  /** It leads to an authority that browsers and operating systems know. */
  isPubliclyTrusted: z.boolean(),
});
export type CertificateFacts = z.infer<typeof certificateFacts>;

export const CERTIFICATE_SOURCES = ['self-made', 'handed', 'imported', 'request', 'acme'] as const;
export const certificate = z.object({
  id: certificateId,
  source: z.enum(CERTIFICATE_SOURCES),
  /** `awaited`: its key is here and its certificate is not; `no-key`: the other way round. Only `ready` can be used. */
  state: z.enum(['ready', 'awaited', 'no-key']),
  /** Null while it is awaited. */
  facts: certificateFacts.nullable(),
  /** What was asked for, while it is awaited. */
  request: z.object({ subject: z.string(), names: z.array(z.string()), key: z.string() }).nullable(),
  addedAtMs: instantMs.nullable(),
  used: z.object({
    /** B19. */
    isDefault: z.boolean(),
    /** For its own names (SNI). */
    byName: z.boolean(),
    /** B18. */
    addresses: z.array(z.string()),
    /** It is what people get at the public host name. */
    forPublicHost: z.boolean(),
  }),
  /** Used in one way or another. */
  inUse: z.boolean(),
  warnings: z.array(certificateWarning),
  /** B41: when this very certificate left by an export, and when its key did. */
  lastExportAtMs: instantMs.nullable(),
  lastKeyExportAtMs: instantMs.nullable(),
  mayDelete: z.boolean(),
});
export type Certificate = z.infer<typeof certificate>;

export const ACME_CHALLENGES = ['http-01', 'tls-alpn-01'] as const;
export const KEY_CHOICES = ['ec-p256', 'rsa-2048', 'rsa-3072'] as const;
export type KeyChoice = (typeof KEY_CHOICES)[number];
const acmeCommon = {
  isOn: z.boolean(),
  directoryUrl: z.url({ protocol: /^https$/ }).max(500),
  /** PEM of the authority that signs the directory's own TLS, for private ones; empty: those that Node knows. */
  directoryCaPem: z.string().max(100_000),
  /** For mail of the authority; empty: none. */
  contact: z.union([z.literal(''), z.email().max(200)]),
  termsAgreed: z.boolean(),
  /** External Account Binding (RFC 8555, 7.3.4); empty: none. */
  eabKeyId: optionalLine(500),
  names,
  challenge: z.enum(ACME_CHALLENGES),
  key: z.enum(KEY_CHOICES),
  /** A renewal keeps the key, so that pins go on to hold (I6). */
  keepKey: z.boolean(),
};
export const acmeSettings = z.object({ ...acmeCommon, names: z.array(z.string()), eabSecretSet: z.boolean() });
export type AcmeSettings = z.infer<typeof acmeSettings>;
export const acmeChange = z.strictObject({
  ...acmeCommon,
  names: z.array(certificateName).max(CERTIFICATE_NAMES_MAX),
  /** Base64url, as the authority gives it; absent: the one that is stored. */
  eabSecret: z
    .string()
    .max(500)
    .regex(/^[A-Za-z0-9_-]*$/)
    .optional(),
});
export type AcmeChange = z.infer<typeof acmeChange>;
export const ACME_PHASES = ['account', 'order', 'challenge', 'finalize', 'download'] as const;
export const acmeState = z.object({
  settings: acmeSettings,
  /** Of the certificate that it keeps; null: none yet. */
  certificate: id('certificate').nullable(),
  running: z.enum(ACME_PHASES).nullable(),
  lastSuccessAtMs: instantMs.nullable(),
  lastFailure: z.object({ atMs: instantMs, text: z.string().max(1000), failures: z.number().int() }).nullable(),
  /** When it is asked for or renewed next, by itself; null: it is off. */
  nextAtMs: instantMs.nullable(),
});
export type AcmeState = z.infer<typeof acmeState>;

export const certificatesState = z.object({
  nowMs: instantMs,
  publicHost: z.string(),
  certificates: z.array(certificate),
  /** Of Networking > IP configuration, and the certificate assigned to each. */
  addresses: z.array(z.object({ address: z.string(), certificate: certificateId.nullable() })),
  acme: acmeState,
  /** The port on which plain HTTP is answered: it redirects, and answers ACME. Null: none. */
  httpPort: z.number().int().nullable(),
});
export type CertificatesState = z.infer<typeof certificatesState>;

/** Files as they are (PEM, DER, PKCS#12), base64, and the passphrase of what is encrypted in them. */
export const importFiles = z.strictObject({
  files: z
    .array(z.strictObject({ name: line(255), content: z.base64().max(Math.ceil((IMPORT_MAX_BYTES * 4) / 3) + 4) }))
    .min(1)
    .max(IMPORT_FILES_MAX),
  passphrase: z.string().max(1000).optional(),
});
export type ImportFiles = z.infer<typeof importFiles>;
/** What would be stored, before it is. Refused imports are errors. */
export const importPreview = z.object({
  facts: certificateFacts,
  /** The key came along, is here already (of a request, or of the same certificate before), or is missing. */
  key: z.enum(['included', 'here', 'missing']),
  /** `in-order`, or put in order from how they lay in the files. */
  order: z.enum(['in-order', 'reordered']),
  /** Certificates of the files that do not belong to the chain and are left out, by name. */
  leftOut: z.array(z.string()).max(IMPORT_FILES_MAX * 50),
  warnings: z.array(certificateWarning),
  /** The stored one that it completes or replaces; what uses that one goes on with this. */
  replaces: certificateId.nullable(),
});
export type ImportPreview = z.infer<typeof importPreview>;

export const certificateRequest = z.strictObject({
  names,
  key: z.enum(KEY_CHOICES).default('ec-p256'),
  organization: optionalLine(64).default(''),
  organizationalUnit: optionalLine(64).default(''),
  locality: optionalLine(128).default(''),
  state: optionalLine(128).default(''),
  /** ISO 3166, two letters. */
  country: z
    .string()
    .trim()
    .toUpperCase()
    .regex(/^([A-Z]{2})?$/, 'must be a country code of two letters')
    .default(''),
});
export type CertificateRequest = z.infer<typeof certificateRequest>;
export const requestMade = z.object({ id: id('certificate'), pem: z.string() });

export const EXPORT_FORMATS = ['pem', 'pkcs12'] as const;
/** B17. Whatever holds the key is encrypted: the passphrase is needed then. */
export const certificateExport = z
  .strictObject({
    certificate: z.boolean(),
    key: z.boolean(),
    chain: z.boolean(),
    format: z.enum(EXPORT_FORMATS),
    passphrase: z.string().max(1000).optional(),
  })
  .refine(({ certificate: own, key, chain }) => own || key || chain, 'choose at least one of certificate, key and chain');
export type CertificateExport = z.infer<typeof certificateExport>;
export const exportedFile = z.object({ fileName: z.string(), mediaType: z.string(), content: z.base64(), bytes: byteCount });
export type ExportedFile = z.infer<typeof exportedFile>;

/** How certificates are used, whole: what is absent from the lists is used so no more. */
export const certificateUse = z.strictObject({
  /** B19. */
  default: certificateId,
  /** Served to whoever asks for one of their names. */
  byName: z.array(certificateId).max(CERTIFICATES_MAX),
  /** B18. */
  addresses: z.array(z.strictObject({ address: line(45), certificate: certificateId })).max(64),
});
export type CertificateUse = z.infer<typeof certificateUse>;
/** What a change of use does, before it is made (I6). */
export const usePreview = z.object({
  /** What people get at the public host name, before and after. */
  before: z.object({ id: certificateId, issuedTo: z.string(), keySha256: sha256Hex }),
  after: z.object({ id: certificateId, issuedTo: z.string(), keySha256: sha256Hex }),
  /** Null: the site cannot be asked now. */
  losses: losses.nullable(),
  /** Of the one that would be served at the public host. */
  warnings: z.array(certificateWarning),
});
export type UsePreview = z.infer<typeof usePreview>;

/** What either appliance of a pair would serve for a name; goes between the bases. */
export const servedNames = z.object({
  publicHost: z.string().max(255),
  /** Per name that is asked for here: what is served. */
  served: z
    .array(
      z.object({
        name: z.string().max(255),
        issuedTo: z.string().max(500),
        issuedBy: z.string().max(500),
        sha256: sha256Hex,
        keySha256: sha256Hex,
        notAfterMs: instantMs,
        covers: z.boolean(),
        isPubliclyTrusted: z.boolean(),
      }),
    )
    .max(CERTIFICATE_NAMES_MAX * 2),
});
export type ServedNames = z.infer<typeof servedNames>;

/** One name of the pair, on both sides; `certificates:pair.<verdict>` says what happens in a takeover. */
export const PAIR_VERDICTS = ['same', 'same-key', 'other-key', 'not-covered-there', 'expired-there', 'unknown-there'] as const;
const sideServes = z.object({ issuedTo: z.string(), sha256: sha256Hex, notAfterMs: instantMs });
export const pairComparison = z.object({
  /** `none`: no pair. */
  state: z.enum(['none', 'compared', 'unreachable']),
  peer: z.string().nullable(),
  names: z.array(z.object({ name: z.string(), here: sideServes, there: sideServes.nullable(), verdict: z.enum(PAIR_VERDICTS) })),
  error: z.string().nullable(),
});
export type PairComparison = z.infer<typeof pairComparison>;

// GET    certificates                       → certificatesState
// POST   certificates/inspect  ← importFiles → importPreview: nothing is stored
// POST   certificates/import   ← importFiles → certificatesState
// POST   certificates/requests ← certificateRequest → requestMade
// GET    certificates/:id/request           → the request again, as PEM
// POST   certificates/:id/export ← certificateExport → exportedFile
// POST   certificates/:id/remove            → certificatesState
// POST   certificates/use/preview ← certificateUse → usePreview
// PUT    certificates/use      ← certificateUse → certificatesState
// PUT    certificates/acme     ← acmeChange  → certificatesState
// POST   certificates/acme/order            → certificatesState: asks for one now
// GET    certificates/pair                  → pairComparison
