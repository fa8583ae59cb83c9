
1.6-urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"´
€òÖÊ"ÂrootBregistry.example.org/team/appJ1.2bD@cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc¢MIhttps://git.example.org/team/app#0123456789abcdef0123456789abcdef01234567Be
aquasecurity:trivy:ImageIDGsha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd*osBdebianJ12*ÍsslBlibssl3J3.0.11-1‚0pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12ª)innerBinnerJ1‚pkg:npm/inner@1.0.0²%
aquasecurity:trivy:SrcNameopenssl²)
aquasecurity:trivy:SrcVersion3.0.11-1*oddBodd*fileB/etc/passwd2

svc"apiB
root
os
svcB
os
sslBM
ssl
inner	
nothing2
0urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#xJrootJsslinner