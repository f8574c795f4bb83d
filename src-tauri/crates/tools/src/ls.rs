//! Reads `ls -ldn` in the C locale at UTC: the way of machines whose `stat` has no `-c`.

use crate::{ToolError, entry::Meta, reply};

/// A day as `date -u '+%Y %m %d'` writes it: `ls` leaves out the year of what is younger than half a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Today {
    year: i64,
    month: i64,
    day: i64,
}

impl Today {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ToolError> {
        let mut words = text.split(|byte| *byte == b' ').map(reply::number::<i64>);
        match (words.next(), words.next(), words.next()) {
            (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) if (1970..10_000).contains(&year) => {
                Ok(Self { year, month, day })
            }
            _ => Err(ToolError::garbled("`date` tells no day")),
        }
    }
}

/// The fields before the name.
pub(crate) fn parse(line: &[u8], today: Today) -> Result<Meta, ToolError> {
    let garbled = || ToolError::garbled("`ls` does not describe a file");
    let head = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
    let mut words = head.split_ascii_whitespace();
    let mode = mode(words.next().ok_or_else(garbled)?).ok_or_else(garbled)?;
    let mut words = words.skip(3);
    let mut size = words.next().ok_or_else(garbled)?;
    if size.ends_with(',') {
        // A device has two numbers in place of a size.
        words.next();
        size = "0";
    }
    let (month, day, rest) = match (words.next(), words.next(), words.next()) {
        (Some(month), Some(day), Some(rest)) => (month, day, rest),
        _ => return Err(garbled()),
    };
    let modified = moment(month, day, rest, today).ok_or_else(garbled)?;
    Ok(Meta { mode, size: reply::number(size.as_bytes())?, modified })
}

fn mode(text: &str) -> Option<u32> {
    let text = text.as_bytes();
    let kind = match text.first()? {
        b'd' => 0o040_000,
        b'l' => 0o120_000,
        b'p' => 0o010_000,
        b's' => 0o140_000,
        b'b' => 0o060_000,
        b'c' => 0o020_000,
        b'-' => 0o100_000,
        _ => return None,
    };
    let letters = text.get(1..10)?;
    let mut bits = 0;
    for (i, letter) in letters.iter().enumerate() {
        if !matches!(letter, b'-' | b'S' | b'T') {
            bits |= 1 << (8 - i);
        }
        if matches!(letter, b's' | b'S' | b't' | b'T') {
            bits |= 0o4000 >> (i / 3);
        }
    }
    Some(kind | bits)
}

fn moment(month: &str, day: &str, rest: &str, today: Today) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let (year, minutes) = match rest.split_once(':') {
        None => (rest.parse().ok().filter(|year| (0..10_000).contains(year))?, 0),
        Some((hour, minute)) => {
            let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
            let in_range = (0..24).contains(&hour) && (0..60).contains(&minute);
            // Clocks differ a little: tomorrow is still this year.
            let later = (month, day) > (today.month, today.day + 1);
            in_range.then_some((today.year - i64::from(later), hour * 60 + minute))?
        }
    };
    Some((days(year, month, day) * 1440 + minutes) * 60_000)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Today = Today { year: 2026, month: 2, day: 3 };

    #[test]
    fn lines_of_ls() {
        let meta = parse(b"-rwsr-xr-t+ 1 0 0 12 Feb  1 10:30 a name\nFeb 2", TODAY).unwrap();
        assert_eq!(meta, Meta { mode: 0o105_755, size: 12, modified: 1_769_941_800_000 });
        assert_eq!(parse(b"-r-------- 1 0 0 12 Dec 31 10:30 x", TODAY).unwrap().modified, 1_767_177_000_000);
        let device = parse(b"crw-rw-rw- 1 0 0 1, 3 Jan  1  1970 null", TODAY).unwrap();
        assert_eq!(device, Meta { mode: 0o020_666, size: 0, modified: 0 });
        for line in ["", "x", "-rw-r--r-- 1 0 0 12", "-rw-r--r-- 1 0 0 12 Foo 1 10:30", "-rw 1 0 0 1 Jan 1 10:30"] {
            assert!(parse(line.as_bytes(), TODAY).is_err(), "{line}");
        }
    }

    #[test]
    fn days_of_the_calendar() {
        assert_eq!((days(1970, 1, 1), days(2000, 2, 29), days(1969, 12, 31)), (0, 11_016, -1));
    }
}
