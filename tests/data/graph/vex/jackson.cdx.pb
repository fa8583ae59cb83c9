
1.6RãCVE-2020-256496
NVD/https://nvd.nist.gov/vuln/detail/CVE-2020-25649"|
)SNYK-JAVA-COMFASTERXMLJACKSONCORE-1048302O
SNYKGhttps://security.snyk.io/vuln/SNYK-JAVA-COMFASTERXMLJACKSONCORE-10483022ã:Àcom.fasterxml.jackson.core:jackson-databind is a library which contains the general-purpose data-binding functionality and tree-model for Jackson Data Processor.

Affected versions of this package are vulnerable to XML External Entity (XXE) Injection. A flaw was found in FasterXML Jackson Databind, where it does not have entity expansion secured properly in the DOMDeserializer class. The highest threat from this vulnerability is data integrity.B§XXE Injection is a type of attack against an application that parses XML input. XML is a markup language that defines a set of rules for encoding documents in a format that is both human-readable and machine-readable. By default, many XML processors allow specification of an external entity, a URI that is dereferenced and evaluated during XML processing. When an XML document is being parsed, the parser can make a request and include the content at the specified URI inside of the XML document.

Attacks can include disclosing local files, which may contain sensitive data such as passwords or private user data, using file: schemes or relative paths in the system identifier.JeUpgrade com.fasterxml.jackson.core:jackson-databind to version 2.6.7.4, 2.9.10.7, 2.10.5.1 or higher.Rn
GitHub Commit]https://github.com/FasterXML/jackson-databind/commit/612f971b78c60202e9cd75a299050c8f2d724a59RI
GitHub Issue9https://github.com/FasterXML/jackson-databind/issues/2589RJ
RedHat Bugzilla Bug3https://bugzilla.redhat.com/show_bug.cgi?id=1887664Z€Õ þb€Õ þj€ŠÝ‹r
Bartosz Baranowski‚‘"†Automated dataflow analysis and manual code review indicates that the vulnerable code is not reachable, either directly or indirectly.Šv
turn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.10.0?type=jar