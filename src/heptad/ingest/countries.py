# SPDX-License-Identifier: Apache-2.0
"""Other ways of writing a country: ISO 3166-1 alpha-3, and names in common use."""

from __future__ import annotations

_ALPHA_3 = """AD AND AE ARE AF AFG AG ATG AI AIA AL ALB AM ARM AO AGO AQ ATA AR ARG AS ASM AT AUT
AU AUS AW ABW AX ALA AZ AZE BA BIH BB BRB BD BGD BE BEL BF BFA BG BGR BH BHR BI BDI BJ BEN BL BLM
BM BMU BN BRN BO BOL BQ BES BR BRA BS BHS BT BTN BV BVT BW BWA BY BLR BZ BLZ CA CAN CC CCK CD COD
CF CAF CG COG CH CHE CI CIV CK COK CL CHL CM CMR CN CHN CO COL CR CRI CU CUB CV CPV CW CUW CX CXR
CY CYP CZ CZE DE DEU DJ DJI DK DNK DM DMA DO DOM DZ DZA EC ECU EE EST EG EGY EH ESH ER ERI ES ESP
ET ETH FI FIN FJ FJI FK FLK FM FSM FO FRO FR FRA GA GAB GB GBR GD GRD GE GEO GF GUF GG GGY GH GHA
GI GIB GL GRL GM GMB GN GIN GP GLP GQ GNQ GR GRC GS SGS GT GTM GU GUM GW GNB GY GUY HK HKG HM HMD
HN HND HR HRV HT HTI HU HUN ID IDN IE IRL IL ISR IM IMN IN IND IO IOT IQ IRQ IR IRN IS ISL IT ITA
JE JEY JM JAM JO JOR JP JPN KE KEN KG KGZ KH KHM KI KIR KM COM KN KNA KP PRK KR KOR KW KWT KY CYM
KZ KAZ LA LAO LB LBN LC LCA LI LIE LK LKA LR LBR LS LSO LT LTU LU LUX LV LVA LY LBY MA MAR MC MCO
MD MDA ME MNE MF MAF MG MDG MH MHL MK MKD ML MLI MM MMR MN MNG MO MAC MP MNP MQ MTQ MR MRT MS MSR
MT MLT MU MUS MV MDV MW MWI MX MEX MY MYS MZ MOZ NA NAM NC NCL NE NER NF NFK NG NGA NI NIC NL NLD
NO NOR NP NPL NR NRU NU NIU NZ NZL OM OMN PA PAN PE PER PF PYF PG PNG PH PHL PK PAK PL POL PM SPM
PN PCN PR PRI PS PSE PT PRT PW PLW PY PRY QA QAT RE REU RO ROU RS SRB RU RUS RW RWA SA SAU SB SLB
SC SYC SD SDN SE SWE SG SGP SH SHN SI SVN SJ SJM SK SVK SL SLE SM SMR SN SEN SO SOM SR SUR SS SSD
ST STP SV SLV SX SXM SY SYR SZ SWZ TC TCA TD TCD TF ATF TG TGO TH THA TJ TJK TK TKL TL TLS TM TKM
TN TUN TO TON TR TUR TT TTO TV TUV TW TWN TZ TZA UA UKR UG UGA UM UMI US USA UY URY UZ UZB VA VAT
VC VCT VE VEN VG VGB VI VIR VN VNM VU VUT WF WLF WS WSM YE YEM YT MYT ZA ZAF ZM ZMB ZW ZWE"""

_NAMES = """Argentina AR|Australia AU|Austria AT|Belgium BE|Brazil BR|Bulgaria BG|Canada CA|Chile CL
|China CN|Colombia CO|Croatia HR|Cyprus CY|Czechia CZ|Czech Republic CZ|Denmark DK|Egypt EG
|Estonia EE|Finland FI|France FR|Germany DE|Deutschland DE|Greece GR|Hong Kong HK|Hungary HU
|Iceland IS|India IN|Indonesia ID|Ireland IE|Israel IL|Italy IT|Japan JP|Kenya KE|Latvia LV
|Lithuania LT|Luxembourg LU|Malaysia MY|Malta MT|Mexico MX|Morocco MA|Netherlands NL
|The Netherlands NL|New Zealand NZ|Nigeria NG|Norway NO|Pakistan PK|Peru PE|Philippines PH
|Poland PL|Portugal PT|Romania RO|Russia RU|Russian Federation RU|Saudi Arabia SA|Serbia RS
|Singapore SG|Slovakia SK|Slovenia SI|South Africa ZA|South Korea KR|Republic of Korea KR|Spain ES
|España ES|Sweden SE|Switzerland CH|Taiwan TW|Tanzania TZ|Thailand TH|Turkey TR|Türkiye TR
|Ukraine UA|United Arab Emirates AE|United Kingdom GB|Great Britain GB|UK GB|United States US
|United States of America US|Uruguay UY|Venezuela VE|Vietnam VN|Viet Nam VN"""

_pairs = _ALPHA_3.split()
SYNONYMS: dict[str, str] = {
    three.lower(): two for two, three in zip(_pairs[::2], _pairs[1::2], strict=True)
} | {
    name.strip().lower(): code
    for name, _, code in (entry.rpartition(" ") for entry in _NAMES.replace("\n", "").split("|"))
}
"""Word, in lower case → alpha-2."""
