@rem One line, since "uninstall" deletes this file while it runs. The policy of Windows refuses a .ps1 by its name.
@"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe" -NoProfile -ExecutionPolicy RemoteSigned -File "%~dp0flatnet.ps1" %* & exit /b
