import { ReleaseShop } from './upgrade-scene.ts';
const shop = await ReleaseShop.open(undefined, { 'tools/release/release.json': (json: string) => json.replace('"base": ">=0.1.0"', `"base": ">=0.2.0"`).replace('"en": ""','"en": "Installations without a pause: sessions go on while base and site are replaced.\\nThe site keeps notes of releases."') });
console.log(shop.directory);
