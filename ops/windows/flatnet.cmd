@rem For systems whose execution policy blocks .ps1 files. On one line, because "uninstall" deletes this file while it runs.
@"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe" -NoProfile -ExecutionPolicy RemoteSigned -File "%~dp0flatnet.ps1" %* & exit /b
