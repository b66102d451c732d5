/** What is answered otherwise in the scratch copy of a test of the standby: it reaches nothing outside, and is no side of a pair. */
import { AppError } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';

const TEST_MAIL = '/settings/email/test';

/** The routes of mail without those that send at once, and the page of the pair, which is not here. */
export function rehearsalRoutes(mail: AnyRoute[]): AnyRoute[] {
  return [
    ...mail.filter(({ url }) => url !== TEST_MAIL),
    route({
      method: 'POST',
      url: TEST_MAIL,
      action: 'email.change',
      handle() {
        throw notInTest('it sends no mail. Send the test mail at the primary.');
      },
    }),
    route({
      method: 'GET',
      url: '/failover',
      action: 'failover.read',
      handle() {
        throw notInTest('it is no side of the pair. Look at Failover after you have left the test.');
      },
    }),
  ];
}

function notInTest(why: string): AppError {
  return new AppError('conflict', 'REHEARSAL_NOT_IN_TEST', `This is the scratch copy of a test of the standby: ${why}`);
}
