import { serve } from './fixture-program.ts';

serve('relay');
