# Settings of Flatnet on this Windows. Only administrators can write here (Program Files). No other file determines which subnet,
# ports and programs the elevated script handles.
@{
    # The name in `wsl --list`.
    Distribution = 'Debian'
    # `subnet` of /etc/flatnet/flatnet.yaml in WSL2; its `range` once WSL2 has joined other hosts.
    Subnet = '10.87.1.0/24'
    # HTTP first, then HTTPS if the gateway has a certificate.
    Ports = @(80)
    # The gateway's host name in the LAN.
    Name = 'flatnet.internal'
    # `names.zone` of flatnet.yaml in WSL2: Windows resolves containers' names. If empty, it does not.
    Zone = 'direct.flatnet.internal'
    # The directory given to `flatnet gateway install`.
    GatewayDirectory = 'C:\flatnet\gateway'
    # The path of OpenResty's nginx.exe. If empty, C:\Program Files\OpenResty is searched, then C:\openresty.
    OpenResty = ''
}
