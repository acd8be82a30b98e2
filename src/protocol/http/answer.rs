//! An answer, from its status to its last byte.

use std::borrow::Cow;

/// The statuses that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 400: it is no request.
    BadRequest,
    /// 401: the password is wanted.
    Unauthorized,
    /// 403: not from there.
    Forbidden,
    /// 404: there is no such path.
    NotFound,
    /// 405: not with that method.
    MethodNotAllowed,
    /// 411: the end of the body cannot be told.
    LengthRequired,
    /// 413.
    BodyTooLarge,
    /// 422: a parameter's value is refused.
    Unprocessable,
    /// 431.
    HeadTooLarge,
    /// 505.
    VersionNotSupported,
}

impl Status {
    /// Number and phrase.
    pub fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::Unauthorized => "401 Unauthorized",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::LengthRequired => "411 Length Required",
            Status::BodyTooLarge => "413 Content Too Large",
            Status::Unprocessable => "422 Unprocessable Content",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// What pages may do in a browser: run and draw what this server sent, ask this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub status: Status,
    /// The type of the body.
    pub content_type: &'static str,
    /// A header of this answer alone, whole, without its line end.
    pub header: Option<&'static str>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// One line of text.
    pub fn text(status: Status, line: impl Into<Cow<'static, str>>) -> Answer {
        let mut body = line.into().into_owned();
        body.push('\n');
        Answer {
            status,
            content_type: "text/plain; charset=utf-8",
            header: None,
            body: Cow::Owned(body.into_bytes()),
        }
    }

    /// A document of this type.
    pub fn document(content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Answer {
        Answer { status: Status::Ok, content_type, header: None, body: body.into() }
    }

    /// A refusal in the words of its status.
    pub fn refusal(status: Status) -> Answer {
        Answer::text(status, status.line())
    }

    /// Appends the answer to `out`: without its body if `head_only`, and with word of the connection's end if
    /// not `keep_alive`. `unix_secs` is the time.
    pub fn write(&self, out: &mut Vec<u8>, unix_secs: u64, head_only: bool, keep_alive: bool) {
        let mut head = format!(
            "HTTP/1.1 {}\r\nServer: larder\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: {POLICY}\r\n",
            self.status.line(),
            date(unix_secs),
            self.content_type,
            self.body.len(),
        );
        if let Some(header) = self.header {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str(if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
        out.extend_from_slice(head.as_bytes());
        if !head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(unix_secs: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, secs) = (unix_secs / 86_400, unix_secs % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    loop {
        let length = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7) as usize],
        day + 1,
        MONTHS[month],
        secs / 3600,
        secs / 60 % 60,
        secs % 60
    )
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn moments_are_written_as_http_has_them() {
        for (unix_secs, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(date(unix_secs), expected);
        }
    }
}
