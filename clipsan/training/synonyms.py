"""Words of captions that can stand for one another.

EDA takes synonyms from WordNet, which is a download. This list is what an offline run can have, and what
makes equal seeds give equal views everywhere: common words of captions, in groups whose members mean nearly
the same in one. A word that is not here has no synonym.
"""

from __future__ import annotations

_GROUPS = """
    above|over adult|grown-up aeroplane|airplane|plane angry|furious automobile|car baby|infant
    background|backdrop bag|sack beach|shore|seaside beautiful|lovely|pretty bicycle|bike big|large|huge
    blurry|blurred|unclear boat|ship|vessel bottom|base boy|lad bright|vivid|brilliant broken|damaged
    building|structure|edifice cat|kitty|feline chair|seat child|kid|youngster city|town clean|spotless
    close-up|closeup|detail clothes|clothing|garments cloth|fabric|textile coat|jacket cold|chilly
    colorful|colourful corner|nook couch|sofa|settee couple|pair crowd|throng cup|mug dark|dim|gloomy
    day|daytime depiction|illustration|rendering dog|hound|canine drawing|sketch drink|beverage
    empty|vacant fast|quick|rapid field|meadow film|movie flat|level floor|ground flower|blossom|bloom
    food|meal|fare forest|woods|woodland full|filled funny|amusing|comical garden|yard girl|lass
    glad|happy|cheerful good|fine|nice group|bunch|cluster hat|cap high|tall hill|slope
    holding|carrying|gripping home|house|dwelling horse|steed image|picture|photo|photograph|snapshot
    in|within|inside jump|leap lady|woman little|small|tiny long|lengthy looking|gazing|staring
    many|numerous man|gentleman middle|center|centre modern|contemporary mountain|peak|mount
    near|beside|by night|nighttime ocean|sea old|aged|ancient painting|artwork|canvas path|trail|track
    pattern|design people|folk|persons person|individual|human phone|telephone place|spot|location
    portrait|likeness quiet|calm|peaceful rabbit|bunny river|stream road|street|lane rock|stone
    room|chamber round|circular rug|carpet|mat running|racing sad|unhappy shirt|blouse shop|store
    showing|displaying silly|foolish sitting|seated smiling|grinning strange|odd|weird
    sunset|dusk|sundown sweet|sugary table|desk talking|speaking|chatting television|tv toy|plaything
    train|locomotive truck|lorry under|below|beneath view|sight|scene walking|strolling wet|damp|soaked
    wood|timber young|youthful
"""

SYNONYMS: dict[str, tuple[str, ...]] = {
    word: tuple(other for other in group if other != word)
    for group in (line.split("|") for line in _GROUPS.split())
    for word in group
}
