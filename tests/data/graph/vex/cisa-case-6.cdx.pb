
1.6"
€Š€‘"product-ABCBABCR…CVE-2021-442286
NVD/https://nvd.nist.gov/vuln/detail/CVE-2021-44228‚z"rVersions of Product ABC are affected by the vulnerability. Customers are advised to upgrade to the latest release.Š=
product-ABC
2.4
2.6vers:generic/>=2.9|<=4.1R¯CVE-2021-442286
NVD/https://nvd.nist.gov/vuln/detail/CVE-2021-44228‚…"|These versions of Product ABC are not affected by the vulnerability. Class with vulnerable code was removed before shipping.Š[
product-ABCvers:generic/>=1.0|<=2.3
2.5vers:generic/>=2.7|<=2.8
4.2