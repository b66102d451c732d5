import { serve } from './fixture-program.ts';

serve('main');
