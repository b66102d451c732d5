import { runProgram } from '@bascule/client/run-program.ts';
import { jumpointFace } from './jumpoint-face.ts';

process.exit(await runProgram(jumpointFace, process.argv.slice(2), process.env));
