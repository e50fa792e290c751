# What is settled for this Windows. Only administrators may write here (Program Files), and nothing else says what the
# elevated half routes, opens or starts.
@{
    # As `wsl --list` shows it.
    Distribution = 'Debian'
    # As `subnet` in /etc/flatnet/flatnet.yaml in WSL2.
    Subnet = '10.87.1.0/24'
    # HTTP first, then HTTPS if there is a certificate.
    Ports = @(80)
    # A name by which the LAN calls the gateway.
    Name = 'flatnet.internal'
    # As `flatnet gateway install` was told.
    GatewayDirectory = 'C:\flatnet\gateway'
    # Where nginx.exe of OpenResty for Windows is. Empty: C:\Program Files\OpenResty, or else C:\openresty.
    OpenResty = ''
}
