/** The site's pages on an appliance of a pair, in the state a test wants. */
import type {
  ApiToken,
  ApplianceHeader,
  EstablishPreview,
  FailoverState,
  PreSharedKeyState,
} from '@bascule/protocol/api/failover.ts';
import { FixtureServer } from '../updates-fixture/fixture-server.ts';
import { headerOf, previewOf, primaryState, testOf } from './answers.ts';

const DAY_MS = 86_400_000;
export const GENERATED_KEY = 'K7QF0-93MD5-2XWPA-T4HC8-8RNAB-5VYE2-J0K3M-PQRST';
export const TOKEN_SECRET = `bat1.${'l'.repeat(16)}.${'s'.repeat(43)}`;
const USERS = ['ann', 'bob'].map((name, index) => ({ id: `usr_01920c5e-0000-7000-8000-00000000000${index}`, name }));
const CLIENTS = ['web-0001', 'db-0007'].map((name, index) => ({
  id: `jc_01920c5e-0000-7000-8000-00000000000${index}`,
  name,
  online: true,
}));

export class FailoverServer extends FixtureServer {
  state: FailoverState = primaryState();
  /** The test of the standby that the person is chosen for. */
  test: ApplianceHeader['rehearsal'];
  preview: EstablishPreview = previewOf();
  key: PreSharedKeyState = { isSet: false, checkValue: null, changedAtMs: null };
  tokens: ApiToken[] = [];

  constructor(dist?: string) {
    super(dist);
    const say = (route: string, answer: (url: URL, body: unknown) => unknown) => this.answers.set(route, answer);
    say('GET /whoami/appliance', () => ({
      ...headerOf(this.state),
      ...(this.test !== undefined && { rehearsal: this.test }),
    }));
    say('POST /failover/rehearsal/enter', () => {
      this.test = testOf('inside');
      return { ok: true };
    });
    say('GET /failover', () => ({ ...this.state, nowMs: Date.now() }));
    say('POST /failover/preview', () => this.preview);
    say('GET /failover/rehearsal/choices', () => ({ users: USERS, clients: CLIENTS }));
    say('GET /security/pre-shared-key', () => this.key);
    say('POST /security/pre-shared-key/generate', () => ({ key: GENERATED_KEY }));
    say('PUT /security/pre-shared-key', () => {
      this.key = { isSet: true, checkValue: '7c41f09b', changedAtMs: Date.now() };
      return this.key;
    });
    say('GET /auth/sessions', () => ({ sessions: [] }));
    say('GET /auth/passkeys', () => ({ passkeys: [] }));
    say('GET /account/api-tokens', () => ({ tokens: this.tokens }));
    say('POST /account/api-tokens', (_, body) => this.#make(body as { name: string; scopes: ApiToken['scopes']; days: number }));
  }

  #make({ name, scopes, days }: { name: string; scopes: ApiToken['scopes']; days: number }): ApiToken & { secret: string } {
    const nowMs = Date.now();
    const token: ApiToken = {
      id: 'apt_01920c5e-0000-7000-8000-000000000001',
      name,
      scopes,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + days * DAY_MS,
      lastUsedAtMs: null,
    };
    this.tokens = [token];
    return { ...token, secret: TOKEN_SECRET };
  }
}
