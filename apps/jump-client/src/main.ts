import { runProgram } from '@bascule/client/run-program.ts';
import { jumpClientFace } from './jump-client-face.ts';

process.exit(await runProgram(jumpClientFace, process.argv.slice(2), process.env));
