r"""Command lines that the lab's own cmd.exe and Wine's run, and where they may not agree.

KEY is `HKLM\SOFTWARE\Lab`. A line in SAME must have the same exit code, the same output but for
messages, and leave the same values; one in DIFFERENT must not, for the reason that stands there:
the facts (sac.md) and Wine's own tests that pass on Windows ([WINE]) go before Wine.
"""

from __future__ import annotations

from collections.abc import Mapping


SAME = r"""
reg add KEY /v sz /d "a  b" /f
reg add KEY /v empty /d "" /f
reg add KEY /v none-given /f
reg add KEY /v exp /t REG_EXPAND_SZ /d "%NoSuch%\x" /f
reg add KEY /v m1 /t REG_MULTI_SZ /d a\0b /f
reg add KEY /v m2 /t REG_MULTI_SZ /d a\0b\0 /f
reg add KEY /v m3 /t REG_MULTI_SZ /d "" /f
reg add KEY /v m4 /t REG_MULTI_SZ /d \0 /f
reg add KEY /v m5 /t REG_MULTI_SZ /d a\0\0b /f
reg add KEY /v m6 /t REG_MULTI_SZ /f
reg add KEY /v m7 /t REG_MULTI_SZ /s # /d a#b\0c /f
reg add KEY /v m8 /t REG_MULTI_SZ /s ab /d aab /f
reg add KEY /v m9 /t REG_MULTI_SZ /d \0a /f
reg add KEY /v b1 /t REG_BINARY /d 0aFF1 /f
reg add KEY /v b2 /t REG_BINARY /d "" /f
reg add KEY /v b3 /t REG_BINARY /f
reg add KEY /v b4 /t REG_BINARY /d 0x12 /f
reg add KEY /v b5 /t REG_BINARY /d xyz /f
reg add KEY /v n1 /t REG_NONE /d 0aff /f
reg add KEY /v n2 /t REG_NONE /d hello /f
reg add KEY /v n3 /t REG_NONE /f
reg add KEY /v d1 /t REG_DWORD /d 0123 /f
reg add KEY /v d2 /t REG_DWORD /d 0X123 /f
reg add KEY /v d3 /t REG_DWORD /d 0xffffffff /f
reg add KEY /v d4 /t REG_DWORD /d 4294967295 /f
reg add KEY /v d5 /t REG_DWORD /d 4294967296 /f
reg add KEY /v d6 /t REG_DWORD /d ffffffff /f
reg add KEY /v d7 /t REG_DWORD /d -1 /f
reg add KEY /v d8 /t REG_DWORD /f
reg add KEY /v d9 /t REG_DWORD /d 0x /f
reg add KEY /v q1 /t REG_QWORD /d 0x100000000 /f
reg add KEY /v q2 /t REG_QWORD /d 18446744073709551615 /f
reg add KEY /v q3 /t REG_QWORD /d 18446744073709551616 /f
reg add KEY /v q4 /t REG_QWORD /d -1 /f
reg add KEY /v q5 /t REG_QWORD /f
reg add KEY /v le /t REG_DWORD_LITTLE_ENDIAN /d 1 /f
reg add KEY /v word /t REG_WORD /d 1 /f
reg add KEY /v 'single' /d x /f
reg add KEY /v ' lead' /d x /f
reg add KEY /v " lead" /d x /f
reg add KEY /v "a\"b" /d "c\"d" /f
reg add KEY /v "c""d" /d x /f
reg add KEY /v "xa"a"y" /d "a"b"c" /f
reg add KEY /v tail\ /d x\ /f
reg add KEY /v "tail2\\" /d "x\\" /f
reg add KEY /v A^&B /d "x & y" /f
reg add KEY /v "A&C" /d x^|y /f
reg add KEY /v "hat^x" /d hat^^y /f
reg add KEY /v f^f /d f^f /f
reg add KEY /v bang! /d !x! /f
reg add KEY /v "p%k" /d 100% /f
reg add KEY /v eq=1 /d a,b;c=d /f
reg add KEY /v Ä /d "é ü" /f
reg add "KEY\swallowed\" /v X /d 1 /f
reg add "KEY\unclosed /v X /d 1 /f
reg add "KEY\with blank" /v X /d 1 /f
reg add KEY\with blank /v X /d 1 /f
reg add KEY\ /v trail /d 1 /f
reg add KEY\two\\ /v X /d 1 /f
reg add HKLM\ /v X /d 1 /f
reg add \KEY /v lead /d 1 /f
reg add KEY /d bare /f
reg add KEY\only /f
reg add KEY\only2
reg add KEY /ve /d text /f
reg add KEY /ve /v x /d text /f
reg add KEY /v x /v y /f
reg add KEY /v x /d 1 /f /f
reg add KEY /v x /d 1 /f extra
reg add KEY /v
reg add KEY -v dash -d 1 -f
reg add KEY /F /V upper /D 1
reg add KEY\sub\deep /v Y /d 2 /f
reg query KEY /v nothing
reg query KEY /v sz
reg query KEY /v d3
reg query KEY /v m2
reg query KEY /v b1
reg query KEY /v n1
reg query KEY /v empty
reg query KEY /v exp
reg query KEY /v "a\"b"
reg query KEY /v "'single'"
reg query KEY /v "tail\\"
reg query KEY /ve
reg query KEY\sub
reg query KEY\sub /ve
reg query KEY\only
reg query KEY\no-such
reg query KEY\no-such /v x
reg query KEY\no-such /ve
reg query KEY\with blank
reg query "KEY\with blank"
reg query HKXX\x
reg query
reg
reg delete KEY /v nothing /f
reg delete KEY /v upper /f
reg delete KEY\no-such /f
reg delete KEY\only2 /f
reg delete KEY /ve /f
reg query KEY /ve
nonsense
if errorlevel 9009 echo it is
if errorlevel 9010 echo it is not
if not errorlevel 9010 echo below
echo [%errorlevel%]
hostname >nul
if errorlevel 1 echo bad
if errorlevel 0 echo good
cmd /c exit 5
cmd /c "exit 6"
echo a  b
echo.x
echo;x
echo "a"b"c"
echo ^"
echo f^f
echo a^&b
echo "a^&b"
echo "a&b"
echo 100%
echo %no-such%
echo [%os%] "%os%"
set A_B=x y
set "A_C=x y"
set a_
echo [%a_b%]
set A_B=
echo [%a_b%]
set no-such
set "q=a"b"
echo %q%
echo a>f1.txt
echo b>>f1.txt
type f1.txt
echo 12>f2.txt
type f2.txt
find "a" f1.txt
find "a" <f1.txt
type f1.txt | find "b"
type f1.txt | find "zz"
for %v in (a b) do @echo %v
for /l %n in (3,-1,1) do @echo %n
for /l %n in (1,1,3) do @if %n gtr 1 echo %n
for /f "tokens=1,3" %a in ('reg query HKLM\SYSTEM\Select') do @echo %a=%b
for /f "delims=" %a in (f1.txt) do @echo [%a]
for /f "skip=1 delims=" %a in ('type f1.txt') do @echo [%a]
for /f "tokens=1*" %a in ("x y z") do @echo %a+%b
for /f "delims=" %a in ('reg query KEY /v sz ^| find "REG_"') do @echo %a]
reg query KEY /v sz >f3.txt
type f3.txt
reg query KEY\no-such >f4.txt 2>&1 <nul
cmd /c "echo a & echo b" >f5.txt 2>&1 <nul
type f5.txt
(echo a & echo b)
echo a & echo b
hostname >nul && echo yes
nonsense || echo no
if 1==1 echo eq
if 1==2 (echo a) else (echo b)
if "%os%"=="Windows_NT" echo nt
if /i abc==ABC echo same
if 5 gtr 10 echo wrong
if 5 gtr 3 if 5 leq 7 echo both
if defined os echo def
if not defined nosuch echo undef
if exist f1.txt echo there
del f1.txt
if exist f1.txt echo there
type f1.txt
set "k=HKLM\SOFTWARE\Lab"
echo %k%
reg query "%k%" /v sz
chcp
chcp 850
chcp 99999
"""

DIFFERENT: Mapping[str, str] = {
    'reg add KEY /v w1 /t REG_DWORD /d "" /f': "Windows refuses it (sac.md §9), Wine stores 0",
    'reg add KEY /v w2 /t REG_DWORD /d " 5" /f': "strtoul of Wine's C library; not in the facts",
    'reg add KEY /v w3 /t REG_DWORD /d "+5" /f': "strtoul of Wine's C library; not in the facts",
    "reg add KEY /v be /t REG_DWORD_BIG_ENDIAN /d 1 /f": "a type that no playbook has",
    "reg query KEY /v q1": "Wine 8 prints every REG_QWORD as (null)",
    r"reg query KEY\sub /s": "Wine leaves out keys without values; not in the facts",
    "reg query KEY /v SZ": "unknown (sac.md §9): Wine shows a name as typed, ws2022 as stored",
    "echo ^%os^%": "%os^% is no variable at the time when variables are expanded; Wine expands it",
    "echo %^os%": "as above",
    "echo(x": "Wine prints the parenthesis",
    "for %v in (a b) do echo %v": "Windows shows the commands of a loop; Wine does not",
    "for %v in (a b) do @(echo %v)": "Wine does not run a parenthesis behind @",
    "(echo a & echo b) >f6.txt": "Wine does not redirect a parenthesis",
    'find /v "zz" <f5.txt': "Wine's find has no switches",
    "nonsense 2>nul && echo yes": "Wine always runs what follows && and ||",
    "hostname >nul || echo no": "as above",
    "nonsense & echo [%errorlevel%]": "Windows expands it before the line runs, Wine late",
    "ver >nul": "Windows clears %ERRORLEVEL%; Wine leaves it",
    "call echo %^os%": "Windows leaves %ERRORLEVEL% alone, Wine sets 1",
    "cd": "Wine spells the folder in small letters",
}
