//! Severities in words, as devices print them beside or instead of a priority. It knows the words alone, not
//! where they stand.

/// The severity that a word or a digit means, by its first letters: `err`, `ERRS`, `Erro`, `information`, `3`.
pub(super) fn of(word: &[u8]) -> Option<u8> {
    if let [digit @ b'0'..=b'7'] = word {
        return Some(digit - b'0');
    }
    let &[first, second, third] = word.first_chunk::<3>()?;
    Some(match &[first | 0x20, second | 0x20, third | 0x20] {
        b"eme" | b"emr" | b"pan" => 0,
        b"ale" | b"alr" => 1,
        b"cri" => 2,
        b"err" => 3,
        b"war" => 4,
        b"not" | b"ntc" => 5,
        b"inf" | b"sum" => 6,
        b"deb" | b"dbu" | b"dbg" => 7,
        _ => return None,
    })
}

/// Whether a word is the name of a severity (`info`, `WARNING`; `NTCE` of FRR), or that of `ESXi`.
pub(super) fn is_name(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"emerg", b"panic", b"alert", b"crit", b"err", b"error", b"warning", b"warn", b"notice",
        b"info", b"debug", b"emrg", b"alrt", b"errr", b"ntce", b"debg",
    ];
    (3..=7).contains(&word.len())
        && of(word).is_some()
        && NAMES.iter().any(|name| name.eq_ignore_ascii_case(word))
        || is_marked(word)
}

/// A severity with its number, as `VMware` `ESXi` prints it since 8.0: `In(166)`, `Wa(180)+`.
pub(super) fn is_marked(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[b"Em", b"Al", b"Cr", b"Er", b"Wa", b"No", b"In", b"Db"];
    let ([name @ .., b')'] | [name @ .., b')', b'+']) = word else { return false };
    name.split_at_checked(2).is_some_and(|(name, number)| {
        NAMES.contains(&name)
            && number.len() > 1
            && number[0] == b'('
            && number[1..].iter().all(u8::is_ascii_digit)
    })
}

/// The severity of `local7.notice`, the priority in words, as syslog daemons print it.
pub(super) fn of_priority(word: &[u8]) -> Option<u8> {
    let dot = word.iter().position(|&byte| byte == b'.')?;
    let (facility, severity) = (&word[..dot], &word[dot + 1..]);
    if is_facility(facility) && is_name(severity) { of(severity) } else { None }
}

fn is_facility(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"kern",
        b"user",
        b"mail",
        b"daemon",
        b"auth",
        b"syslog",
        b"lpr",
        b"news",
        b"uucp",
        b"cron",
        b"authpriv",
        b"ftp",
        b"security",
        b"local0",
        b"local1",
        b"local2",
        b"local3",
        b"local4",
        b"local5",
        b"local6",
        b"local7",
    ];
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(word))
}
